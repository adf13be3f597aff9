// What the REST service takes and gives (openapi.json), as far as the page uses it.

import { signal } from '@preact/signals';
import { json, post, request } from './http';

export type StageName = 'ingest' | 'reconstruct' | 'convert';

export interface Stage {
  name: StageName;
  phase: string;
  attempt: number;
  started_at: string | null;
  completed_at: string | null;
  interruptions: { reason: string; at: string }[];
  earlier_attempts: { reason: string; memory: string | null; scratch_size: string | null }[];
}

export interface Job {
  id: string;
  namespace: string;
  name: string;
  status: 'pending' | 'processing' | 'completed' | 'failed';
  phase: string;
  stage: StageName | null;
  suspended: boolean;
  archived: boolean;
  deleting: boolean;
  progress: { percent: number; message: string; seconds_remaining: number | null; error_seconds: number | null };
  images: { found: number | null; usable: number | null; registered: number | null; reused: number | null } | null;
  points: number | null;
  potree_url: string | null;
  preview_url: string | null;
  failure: { reason: string; message: string } | null;
  warnings: string[];
  stages: Stage[];
  settings: { source: string; quality: string; encoding: string; device: string; deletion_policy: 'Retain' | 'Delete' };
  upload_revision: number | null;
  owner: string | null;
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  deadline_at: string | null;
  removed_at: string | null;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Install {
  version: string;
  default_namespace: string;
  anonymous_viewing: boolean;
  limits: { max_file_bytes: number; max_files: number; max_job_bytes: number };
  qualities: string[];
}

export interface Caller {
  username: string;
  namespaces: string[];
  may_create: string[];
}

export interface StoredFile {
  id: string;
  name: string;
  size: number;
}

export interface OutputFile {
  path: string;
  size: number;
}

// What the service is and who is signed in; null until it has answered.
export const install = signal<Install | null>(null);
export const caller = signal<Caller | null>(null);

export async function introduce(): Promise<void> {
  [install.value, caller.value] = await Promise.all([json<Install>('api'), json<Caller>('whoami')]);
}

export function createJob(name: string, namespace: string, quality: string, deletionPolicy: string): Promise<Job> {
  const spec = { source: { upload: {} }, reconstruction: { quality }, output: { deletionPolicy } };
  return post('jobs', { name, namespace, spec });
}

export const jobPath = (id: string, ...rest: string[]): string => ['jobs', encodeURIComponent(id), ...rest].join('/');
export const getJob = (id: string): Promise<Job> => json(jobPath(id));
export const act = (id: string, verb: 'suspend' | 'resume' | 'rerun'): Promise<Job> => post(jobPath(id, verb));
export const share = (id: string, seconds: number): Promise<{ url: string; expires_at: string }> =>
  post(jobPath(id, 'share'), { seconds });
export const filesOf = async (id: string): Promise<StoredFile[]> =>
  (await json<{ items: StoredFile[] }>(jobPath(id, 'files'))).items;
export const outputsOf = async (id: string): Promise<OutputFile[]> =>
  (await json<{ items: OutputFile[] }>(jobPath(id, 'outputs'))).items;
export const outputOf = async (id: string, path: string): Promise<Blob> =>
  (await request(jobPath(id, 'outputs', ...path.split('/').map(encodeURIComponent)))).blob();
export const deleteJob = async (id: string): Promise<void> => {
  await request(jobPath(id), { method: 'DELETE' });
};
