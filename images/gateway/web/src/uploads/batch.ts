// The files on their way to one job, and the few of all jobs that are sent at a time.

import { computed, effect, signal } from '@preact/signals';
import { announce } from '../announce';
import { online } from '../network';
import { filesOf } from '../service';
import { token } from '../session';
import { count } from '../words';
import { Item, type State } from './item';
import type { Picked } from './pick';
import { unfinished } from './unfinished';

// A browser opens six connections to a server; one is taken by the events of each tab, and others want some too.
const AT_A_TIME = 3;
const PACE_MS = 15_000;

export class Batch {
  readonly items = signal<Item[]>([]);
  readonly paused = signal(false);
  readonly sent = signal(0);
  // Of the states' changes, since there may be thousands of files and each is a signal of its own.
  readonly changes = signal(0);
  // Files that had arrived before, in this browser or another.
  readonly already = signal(0);
  readonly size = computed(() =>
    this.in('waiting', 'sending', 'retrying', 'paused', 'done', 'failed').reduce((sum, item) => sum + item.size, 0),
  );
  private samples: { at: number; sent: number }[] = [];

  constructor(readonly jobId: string) {}

  add(files: Picked[]): void {
    const fresh = files.map((file) => new Item(this.jobId, file, (more) => this.changed(more)));
    this.items.value = [...this.items.value, ...fresh];
    this.remember();
    pump();
  }

  pause(): void {
    this.paused.value = true;
    this.items.value.forEach((item) => void item.pause());
  }

  resume(): void {
    this.paused.value = false;
    for (const item of this.items.value) if (item.state.value === 'paused') item.state.value = 'waiting';
    this.changed(0);
  }

  async cancel(): Promise<void> {
    await Promise.all(this.items.value.map((item) => item.cancel()));
  }

  retry(item: Item): void {
    item.state.value = 'waiting';
    this.changed(0);
  }

  in(...states: State[]): Item[] {
    this.changes.value;
    return this.items.value.filter((item) => states.includes(item.state.value));
  }

  get ended(): boolean {
    return this.in('waiting', 'sending', 'retrying', 'paused').length === 0;
  }

  // Seconds until all is sent at the pace of the last moments; null while there is none.
  get secondsLeft(): number | null {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || !last || last.at === first.at || last.sent <= first.sent) return null;
    return ((this.size.value - last.sent) * (last.at - first.at)) / (last.sent - first.sent) / 1000;
  }

  private changed(more: number): void {
    if (more !== 0) {
      this.sent.value += more;
      const at = Date.now();
      this.samples = [...this.samples.filter((sample) => at - sample.at < PACE_MS), { at, sent: this.sent.value }];
      return;
    }
    this.changes.value += 1;
    this.remember();
    if (this.ended) this.conclude();
    pump();
  }

  private remember(): void {
    const left = this.in('waiting', 'sending', 'retrying', 'paused', 'failed').length;
    unfinished.set(this.jobId, left);
  }

  private conclude(): void {
    const [done, failed] = [this.in('done').length, this.in('failed').length];
    if (failed > 0) announce(`${count(failed, 'file')} could not be sent.`);
    else if (done > 0) announce(`${count(done, 'file')} arrived.`);
  }
}

export const batches = signal<ReadonlyMap<string, Batch>>(new Map());
export const sending = computed(() => [...batches.value.values()].some((batch) => !batch.ended));

// Sends files to a job; those that arrived whole before, by name and size, are not sent again.
export async function send(jobId: string, files: Picked[], fresh: boolean): Promise<void> {
  const there = fresh ? [] : await filesOf(jobId);
  const known = new Set(there.map(({ name, size }) => `${size}|${name}`));
  const current = batches.value.get(jobId);
  const batch = current && !current.ended ? current : new Batch(jobId);
  const under = new Set(batch.items.value.filter((item) => item.state.value !== 'cancelled').map(({ path }) => path));
  const news = files.filter(({ file, path }) => !known.has(`${file.size}|${path}`) && !under.has(path));
  batch.already.value += files.filter(({ file, path }) => known.has(`${file.size}|${path}`)).length;
  batches.value = new Map(batches.value).set(jobId, batch);
  batch.add(news);
}

export function dismiss(jobId: string): void {
  const rest = new Map(batches.value);
  rest.delete(jobId);
  batches.value = rest;
}

let scheduled = false;

// Once for all that happens in one go: beginning to send is itself a change.
function pump(): void {
  if (scheduled) return;
  scheduled = true;
  queueMicrotask(() => {
    scheduled = false;
    if (token.value !== null && online.value) fill([...batches.value.values()]);
  });
}

function fill(all: Batch[]): void {
  let free = AT_A_TIME - all.reduce((busy, batch) => busy + batch.in('sending').length, 0);
  for (const batch of all.filter(({ paused }) => !paused.value)) {
    for (const item of batch.in('waiting').slice(0, Math.max(free, 0))) {
      free -= 1;
      void item.start();
    }
  }
}

// Without a network or a sign-in nothing is sent; with both again, everything goes on at once.
effect(() => {
  token.value;
  online.value;
  queueMicrotask(() => {
    for (const batch of batches.value.values()) {
      for (const item of batch.in('sending', 'retrying')) void item.pause('waiting');
    }
    pump();
  });
});

addEventListener('beforeunload', (event) => {
  if (sending.value) event.preventDefault();
});
