// Files that somebody drops or picks, folders and all.

import type { Install } from '../service';
import { bytes, count, number } from '../words';

export interface Picked {
  file: File;
  // Below the folder that was dropped or picked, which it begins with; the bare name for single files.
  path: string;
}

export interface Choice {
  taken: Picked[];
  // Names of files that are neither photos, archives nor videos.
  leftOut: string[];
}

const TAKEN =
  /\.(jpe?g|png|tiff?|bmp|webp|avif|gif|heic|heif|hif|zip|tar|tgz|tar\.gz|tbz2?|tar\.bz2|txz|tar\.xz|mp4|m4v|mov|avi|mkv|webm|mts|m2ts|mpe?g|3gp)$/i;
// What systems put beside photos, of which nobody need hear.
const SILENT = /(^|\/)(\.[^/]*|thumbs\.db|desktop\.ini|__MACOSX\/.*)$/i;
export const ACCEPT = 'image/*,video/*,.heic,.heif,.zip,.tar,.tgz,.gz,.bz2,.xz';
export const MAX_NAME = 37;

// The entries have to be taken in the event itself: afterwards the browser forgets them.
export async function dropped(transfer: DataTransfer): Promise<Picked[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return picked(transfer.files);
  return (await Promise.all(entries.map(below))).flat();
}

export function picked(files: Iterable<File> | null): Picked[] {
  return [...(files ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

async function below(entry: FileSystemEntry): Promise<Picked[]> {
  if (isFolder(entry)) return (await Promise.all((await within(entry)).map(below))).flat();
  // Chromium does not let one ask by class.
  const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
  return [{ file, path: entry.fullPath.replace(/^\//, '') }];
}

const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

async function within(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  // A reader gives a hundred at a time, and none when it is done.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return entries;
    entries.push(...some);
  }
}

// Adds files to those chosen so far, each path once: the newer one.
export function choose(before: Choice, files: Picked[]): Choice {
  const heard = files.filter(({ path }) => !SILENT.test(path));
  const taken = new Map(before.taken.map((one) => [one.path, one]));
  for (const one of heard) if (TAKEN.test(one.path)) taken.set(one.path, one);
  const leftOut = new Set([...before.leftOut, ...heard.map(({ path }) => path).filter((path) => !TAKEN.test(path))]);
  return { taken: [...taken.values()], leftOut: [...leftOut] };
}

export const sizeOf = (files: Picked[]): number => files.reduce((sum, { file }) => sum + file.size, 0);

// Why the service would refuse these files, before a byte is sent; empty where it would not.
export function tooMuch(files: Picked[], limits: Install['limits'] | undefined): string {
  if (!limits) return '';
  const empty = files.find(({ file }) => file.size === 0);
  if (empty) return `${empty.path} is empty. Remove it, or wait until it has been copied whole.`;
  const large = files.find(({ file }) => file.size > limits.max_file_bytes);
  if (large) {
    return `${large.path} has ${bytes(large.file.size)}; one file may have ${bytes(limits.max_file_bytes)}. Split it, or choose another.`;
  }
  if (files.length > limits.max_files) {
    return `These are ${count(files.length, 'file')}; a point cloud takes ${number(limits.max_files)}. Choose fewer, or put them into an archive.`;
  }
  const size = sizeOf(files);
  if (size > limits.max_job_bytes) {
    return `These files have ${bytes(size)} together; a point cloud takes ${bytes(limits.max_job_bytes)}. Choose fewer.`;
  }
  return '';
}

// A name that Kubernetes takes, from the folder or the file that was chosen.
export function suggestName(files: Picked[]): string {
  const [first, ...others] = files.map(({ path }) => path);
  if (first === undefined) return '';
  const folder = first.includes('/') ? first.slice(0, first.indexOf('/')) : '';
  if (folder && others.every((path) => path.startsWith(`${folder}/`))) return slug(folder);
  return others.length === 0 ? slug(first.replace(/\.[^.]+$/, '')) : '';
}

export function slug(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/ß/g, 'ss')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_NAME)
    .replace(/^-+|-+$/g, '');
}
