// Which view the address names: "#/" the overview, "#/new", "#/jobs/<id>".

import { signal } from '@preact/signals';

export type Route = { view: 'home' } | { view: 'new' } | { view: 'job'; id: string };

export const route = signal<Route>(read());
addEventListener('hashchange', () => (route.value = read()));

export const jobHref = (id: string): string => `#/jobs/${encodeURIComponent(id)}`;

export function go(hash: string): void {
  location.hash = hash;
}

function read(): Route {
  const [view, id] = location.hash.replace(/^#\/?/, '').split('/');
  if (view === 'new') return { view };
  if (view === 'jobs' && id) return { view: 'job', id: decodeURIComponent(id) };
  return { view: 'home' };
}
