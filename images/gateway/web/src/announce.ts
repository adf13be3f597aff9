// News for everybody: shown for a while, and read out by screen readers.

import { signal } from '@preact/signals';

const SHOWN_MS = 8000;

export const news = signal('');
let timer = 0;

export function announce(text: string): void {
  news.value = text;
  clearTimeout(timer);
  timer = setTimeout(() => (news.value = ''), SHOWN_MS);
}
