// What the page says of itself: that it loads, and that something failed, and what to do then.

import { element } from './dom';
import type { Failure } from './failure';

export function showLoading(active: boolean): void {
  element('loading').hidden = !active;
}

/** @param again What to do when the person wants to try again; null where only reloading helps. */
export function showFailure(failure: Failure, again: (() => void) | null): void {
  showLoading(false);
  element('error').hidden = false;
  element('error-message').textContent = failure.message;
  element('error-remedy').textContent = failure.remedy;
  const button = element('reload', HTMLButtonElement);
  button.textContent = again ? 'Try again' : 'Reload';
  button.onclick = again ?? (() => location.reload());
  button.focus();
}

export function hideFailure(): void {
  element('error').hidden = true;
}
