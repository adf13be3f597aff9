// Whether there is a network, and waiting that ends early when it comes back.

import { signal } from '@preact/signals';

export const online = signal(navigator.onLine);
addEventListener('online', () => (online.value = true));
addEventListener('offline', () => (online.value = false));

const LONGEST_MS = 10_000;

// Twice as long each time, and never the same for all clients at once.
export function backoff(failures: number): number {
  return Math.min(1000 * 2 ** (failures - 1), LONGEST_MS) * (0.75 + Math.random() / 2);
}

// Resolves after the time given, or as soon as the network is back, the page is looked at again, or `stop` says so.
export function wait(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const ended = new AbortController();
    const end = (): void => {
      clearTimeout(timer);
      ended.abort();
      resolve();
    };
    const timer = setTimeout(end, ms);
    const { signal } = ended;
    addEventListener('online', end, { signal });
    document.addEventListener('visibilitychange', end, { signal });
    stop.addEventListener('abort', end, { signal });
    if (stop.aborted) end();
  });
}
