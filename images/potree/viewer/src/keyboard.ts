// Keys that work wherever the focus is, but in a field that has a use for them itself.

import type { Store } from './choices';
import type { Measuring } from './measuring';
import type { Navigation } from './navigation';

const OWN_KEYS = 'input, select, textarea, dialog[open], dialog[open] *';
const PRESSED = 'button, summary, a';

export class Keyboard {
  /**
   * @param point Measure the point in the middle of the picture.
   * @param close Close what is open besides a tool.
   */
  constructor(
    private readonly navigation: Navigation,
    private readonly measuring: Measuring,
    private readonly store: Store,
    private readonly point: () => void,
    private readonly close: () => void,
  ) {
    addEventListener('keydown', (event) => this.press(event));
  }

  private press(event: KeyboardEvent): void {
    const target = event.target as Element;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'Escape' && !target.closest('dialog')) this.escape();
    if (target.matches(OWN_KEYS)) return;
    if (this.measure(event.key, target) || this.navigation.key(event)) event.preventDefault();
  }

  private escape(): void {
    if (this.store.now.tool) this.measuring.escape();
    else this.close();
  }

  private measure(key: string, target: Element): boolean {
    if (!this.store.now.tool) return false;
    if (key === 'Enter' && !target.closest(PRESSED)) this.point();
    else if (key === 'Backspace') this.measuring.undo();
    else if (key === 'd' || key === 'D') this.measuring.finish();
    else return false;
    return true;
  }
}
