// The row of buttons below the picture, and the hint above it while something is measured.

import type { Store } from './choices';
import { element, make } from './dom';
import { isKind, TOOLS } from './measure';
import { canFinish, type Measuring } from './measuring';

interface Actions {
  reset(): void;
  above(): void;
  /** The address that shows the same again. */
  link(): string;
}

export class Toolbar {
  constructor(
    private readonly store: Store,
    measuring: Measuring,
    private readonly actions: Actions,
  ) {
    element('toolbar').hidden = false;
    for (const button of tools()) {
      const tool = button.dataset['tool'] ?? '';
      if (isKind(tool)) button.addEventListener('click', () => measuring.take(tool));
    }
    element('undo').addEventListener('click', () => measuring.undo());
    element('done').addEventListener('click', () => measuring.finish());
    element('stop').addEventListener('click', () => store.set({ tool: null, draft: [] }));
    element('clear').addEventListener('click', () => measuring.clear());
    element('reset').addEventListener('click', () => actions.reset());
    element('above').addEventListener('click', () => actions.above());
    element('copy').addEventListener('click', () => void this.copy());
    element('help-open').addEventListener('click', () => element('help', HTMLDialogElement).showModal());
    store.follow((now) => this.show(now));
  }

  private show({ tool, draft, measurements }: Store['now']): void {
    for (const button of tools()) button.setAttribute('aria-pressed', String(button.dataset['tool'] === tool));
    document.body.classList.toggle('measuring', tool !== null);
    element('steps').hidden = tool === null;
    element('done').hidden = tool !== 'area';
    element('done', HTMLButtonElement).disabled = !canFinish(this.store.now);
    element('undo', HTMLButtonElement).disabled = draft.length + measurements.length === 0;
    element('steps-words').textContent = tool ? TOOLS[tool].hint : '';
  }

  /** Where the browser keeps the clipboard from the page, the address is shown, to be copied by hand. */
  private async copy(): Promise<void> {
    const link = this.actions.link();
    try {
      await navigator.clipboard.writeText(link);
      this.say('Link copied.');
    } catch {
      const dialog = element('link', HTMLDialogElement);
      const field = element('address', HTMLInputElement);
      field.value = link;
      dialog.showModal();
      field.select();
    }
  }

  private say(words: string): void {
    const told = make('p', words);
    element('told').replaceChildren(told);
    told.addEventListener('animationend', () => told.remove());
  }
}

function tools(): HTMLButtonElement[] {
  return [...element('toolbar').querySelectorAll<HTMLButtonElement>('[data-tool]')];
}
