// Which jobs this device still owes files, so that somebody who comes back after a reload is told to choose them again.

import { signal } from '@preact/signals';

const KEY = 'pointcloud.unfinished';

function read(): Record<string, number> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Record<string, number>;
  } catch {
    return {};
  }
}

class Unfinished {
  // Number of files by job id.
  readonly files = signal(read());

  set(jobId: string, left: number): void {
    const { [jobId]: before = 0, ...others } = this.files.value;
    if (before === left) return;
    this.files.value = left > 0 ? { ...others, [jobId]: left } : others;
    localStorage.setItem(KEY, JSON.stringify(this.files.value));
  }
}

export const unfinished = new Unfinished();
