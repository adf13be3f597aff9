// The files beside the page that are for people to keep, as outputs.json lists them.

import { asObject } from './metadata';
import { fetchJson } from './requests';

export interface Download {
  path: string;
  /** In bytes. */
  size: number;
}

/** None where there is no list: an octree can be shown without. */
export async function fetchDownloads(url: string): Promise<Download[]> {
  const files = asObject(await fetchJson(url, { optional: true }))['files'];
  const listed = Array.isArray(files) ? files.map(asObject) : [];
  return listed.map((file) => ({ path: String(file['path']), size: Number(file['size']) }));
}

export function sizeInWords(bytes: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const options = { style: 'unit', unit: units[step], maximumSignificantDigits: 2 } as Intl.NumberFormatOptions;
  return (bytes / 1000 ** step).toLocaleString(undefined, options);
}
