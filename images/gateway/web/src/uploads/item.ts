// One file on its way, by the tus protocol: what has arrived is never sent again, not even after a reload.

import { signal } from '@preact/signals';
import { DetailedError, Upload } from 'tus-js-client';
import { address } from '../addresses';
import { failureOf, UNREACHABLE } from '../failure';
import { backoff } from '../network';
import { jobPath } from '../service';
import { expire, token } from '../session';
import type { Picked } from './pick';

export type State = 'waiting' | 'sending' | 'retrying' | 'paused' | 'done' | 'failed' | 'cancelled';

// Of one request: small enough for what stands between, large enough that its answer's delay does not matter.
const REQUEST_BYTES = 32 * 1024 * 1024;
// Without a byte of progress for so long, the connection is taken for dead.
const STALLED_MS = 60_000;
// Refusals that pass: too early, too many, another connection of the same upload still open.
const PASSING = new Set([408, 409, 423, 425, 429]);
// The store is full: no hurry helps.
const FULL = 507;

export class Item {
  readonly path: string;
  readonly size: number;
  readonly state = signal<State>('waiting');
  readonly sent = signal(0);
  // Why it waits, or failed.
  readonly reason = signal('');
  private readonly upload: Upload;
  private failures = 0;
  private timer = 0;
  private started = false;

  constructor(
    readonly jobId: string,
    { file, path }: Picked,
    // Called whenever the state or the bytes sent have changed.
    private readonly changed: (more: number) => void,
  ) {
    this.path = path;
    this.size = file.size;
    this.upload = new Upload(file, {
      endpoint: address(jobPath(jobId, 'uploads')),
      metadata: { filename: path, filetype: file.type },
      chunkSize: REQUEST_BYTES,
      // Here, and not in the library, as ours know of pauses, sign-ins and the network's return.
      retryDelays: null,
      removeFingerprintOnSuccess: true,
      fingerprint: () => Promise.resolve(['pointcloud', jobId, path, file.size, file.lastModified].join('|')),
      onBeforeRequest: (request) => request.setHeader('Authorization', `Bearer ${token.value ?? ''}`),
      onProgress: (sent) => this.progress(sent),
      onSuccess: () => this.become('done'),
      onError: (error) => this.fail(error),
    });
  }

  // Sends, or goes on sending.
  async start(): Promise<void> {
    this.become('sending');
    this.watch();
    if (!this.started) {
      this.started = true;
      const [previous] = await this.upload.findPreviousUploads();
      if (previous) this.upload.resumeFromPreviousUpload(previous);
    }
    if (this.state.value === 'sending') this.upload.start();
  }

  async pause(state: 'paused' | 'waiting' = 'paused'): Promise<void> {
    if (this.ended) return;
    this.become(state);
    await this.upload.abort();
  }

  async cancel(): Promise<void> {
    if (this.ended && this.state.value !== 'failed') return;
    const gone = this.sent.value;
    this.become('cancelled');
    this.changed(-gone);
    // What has arrived of it expires anyway where it cannot be removed now.
    await this.upload.abort(true).catch(() => undefined);
  }

  get ended(): boolean {
    return ['done', 'failed', 'cancelled'].includes(this.state.value);
  }

  private progress(sent: number): void {
    this.failures = 0;
    this.watch();
    const more = sent - this.sent.value;
    this.sent.value = sent;
    this.changed(more);
  }

  private fail(error: Error | DetailedError): void {
    if (this.state.value !== 'sending') return;
    const response = error instanceof DetailedError ? error.originalResponse : null;
    const status = response?.getStatus() ?? 0;
    const { message } = response && status > 0 ? failureOf(status, response.getBody()) : { message: UNREACHABLE };
    if (status === 401) {
      this.become('waiting');
      expire(token.value ?? '', message);
    } else if (status === 0 || (status >= 500 && status !== FULL) || PASSING.has(status)) {
      this.retryLater(message, Number(response?.getHeader('Retry-After')) || 0);
    } else {
      this.become('failed', message);
    }
  }

  private retryLater(reason: string, seconds: number): void {
    this.failures += 1;
    this.become('retrying', reason);
    this.timer = setTimeout(() => this.become('waiting'), Math.max(seconds * 1000, backoff(this.failures)));
  }

  private watch(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      void this.upload.abort();
      this.retryLater(UNREACHABLE, 0);
    }, STALLED_MS);
  }

  private become(state: State, reason = ''): void {
    clearTimeout(this.timer);
    this.state.value = state;
    this.reason.value = reason;
    this.changed(0);
  }
}
