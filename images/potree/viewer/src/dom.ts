// Finds and makes elements of the page.

export function element(id: string): HTMLElement;
export function element<T extends Element>(id: string, type: new () => T): T;
export function element(id: string, type: new () => Element = HTMLElement): Element {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html lacks #${id}`);
  return found;
}

export function make<K extends keyof HTMLElementTagNameMap>(kind: K, text = ''): HTMLElementTagNameMap[K] {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}
