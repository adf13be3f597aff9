// The jobs that the person may see, kept up to date: a list first, then events; where events do not get through, the
// list again and again.

import { signal } from '@preact/signals';
import { announce } from './announce';
import { listen, type ServerEvent } from './events';
import { json } from './http';
import { backoff, online, wait } from './network';
import type { Job, Page } from './service';

const PAGE = 100;
const MOST_PAGES = 10;

export const jobs = signal<ReadonlyMap<string, Job>>(new Map());
// "loading" until the first list is there; "live" while events arrive; "stale" while the service does not answer.
export const connection = signal<'loading' | 'live' | 'stale'>('loading');

export async function follow(stop: AbortSignal): Promise<void> {
  let failures = 0;
  let lastId = '';
  while (!stop.aborted) {
    try {
      jobs.value = new Map((await all(stop)).map((job) => [job.id, job]));
      connection.value = 'live';
      await listen('events', lastId, stop, () => (failures = 0), (event) => {
        lastId = event.id || lastId;
        take(event);
      });
      failures += 1;
    } catch {
      failures += 1;
      if (!stop.aborted && (failures > 1 || !online.value)) connection.value = 'stale';
    }
    await wait(backoff(failures), stop);
  }
}

export async function archived(text: string, after: string): Promise<Page<Job>> {
  return json(`jobs?${new URLSearchParams({ archived: 'true', limit: '24', q: text, after })}`);
}

export function put(job: Job): void {
  tell(jobs.value.get(job.id), job);
  jobs.value = new Map(jobs.value).set(job.id, job);
}

// Its files go first: an event tells when the job is gone, and may have come already.
export function leave(id: string): void {
  const job = jobs.value.get(id);
  if (job) put({ ...job, deleting: true });
}

export function remove(id: string): void {
  const rest = new Map(jobs.value);
  rest.delete(id);
  jobs.value = rest;
}

function keepOnly(ids: ReadonlySet<string>): void {
  jobs.value = new Map([...jobs.value].filter(([id]) => ids.has(id)));
}

async function all(stop: AbortSignal): Promise<Job[]> {
  const found: Job[] = [];
  let after = '';
  for (let page = 0; page < MOST_PAGES; page++) {
    const query = new URLSearchParams({ archived: 'false', limit: String(PAGE), ...(after ? { after } : {}) });
    const { items, next } = await json<Page<Job>>(`jobs?${query}`, { signal: stop });
    found.push(...items);
    if (next === null) break;
    after = next;
  }
  return found;
}

function take({ name, data }: ServerEvent): void {
  if (name === 'job') put(JSON.parse(data) as Job);
  if (name === 'deleted') remove((JSON.parse(data) as { id: string }).id);
  if (name === 'present') keepOnly(new Set((JSON.parse(data) as { ids: string[] }).ids));
}

function tell(before: Job | undefined, after: Job): void {
  if (before === undefined || before.status === after.status) return;
  if (after.status === 'completed') announce(`${after.name} is ready.`);
  if (after.status === 'failed') announce(`${after.name} has failed.`);
}
