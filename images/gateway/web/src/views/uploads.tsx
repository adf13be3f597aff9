// The files on their way to a job.

import { useState } from 'preact/hooks';
import { wordsOf } from '../failure';
import { online } from '../network';
import { install, type Job } from '../service';
import { batches, dismiss, send, type Batch } from '../uploads/batch';
import type { Item, State } from '../uploads/item';
import { choose, tooMuch, type Picked } from '../uploads/pick';
import { unfinished } from '../uploads/unfinished';
import { bytes, count, timeLeft } from '../words';
import { Chooser } from './chooser';
import { Bar, Problem } from './parts';

// Of thousands of files, those that something happens to.
const ROWS = 40;
const ORDER: State[] = ['failed', 'sending', 'retrying', 'paused', 'waiting', 'done'];
const WORDS: Record<State, string> = {
  waiting: 'waiting',
  sending: 'sending',
  retrying: 'trying again',
  paused: 'paused',
  done: 'arrived',
  failed: 'failed',
  cancelled: 'cancelled',
};

export function Uploads({ job }: { job: Job }) {
  const [problem, setProblem] = useState('');
  const [adding, setAdding] = useState(false);
  const batch = batches.value.get(job.id);
  const owed = unfinished.files.value[job.id] ?? 0;
  const interrupted = owed > 0 && batch === undefined;
  const open = adding || interrupted || (batch === undefined && job.upload_revision === null);

  async function take(files: Picked[]): Promise<void> {
    const { taken, leftOut } = choose({ taken: [], leftOut: [] }, files);
    const limit = tooMuch(taken, install.value?.limits);
    setProblem(limit || (taken.length === 0 ? `${leftOut[0] ?? 'This'} is neither a photo, a video nor an archive.` : ''));
    if (limit || taken.length === 0) return;
    try {
      await send(job.id, taken, false);
      setAdding(false);
    } catch (error) {
      setProblem(wordsOf(error));
    }
  }

  return (
    <section aria-label="Files">
      {batch && <Sending batch={batch} />}
      {interrupted && (
        <p class="note">
          {count(owed, 'file')} sent from this device {owed === 1 ? 'has' : 'have'} not arrived. Choose the same files or folder again: what has
          arrived is not sent again.{' '}
          <button type="button" class="link" onClick={() => unfinished.set(job.id, 0)}>
            Leave it so
          </button>
        </p>
      )}
      {open ? (
        <Chooser take={(files) => void take(files)} invitation="Drop photos, videos, archives or folders for this point cloud here" />
      ) : (
        <button type="button" onClick={() => setAdding(true)}>
          Add photos
        </button>
      )}
      <Problem text={problem} />
    </section>
  );
}

function Sending({ batch }: { batch: Batch }) {
  const done = batch.in('done').length;
  const failed = batch.in('failed').length;
  const all = batch.items.value.length - batch.in('cancelled').length;
  const left = batch.secondsLeft;
  const already = batch.already.value;
  return (
    <div class="transfer">
      <div class="line">
        <h2>{heading(batch, done, failed)}</h2>
        <div class="actions">
          {!batch.ended && (
            <>
              <button type="button" onClick={() => (batch.paused.value ? batch.resume() : batch.pause())}>
                {batch.paused.value ? 'Resume' : 'Pause'}
              </button>
              <button type="button" onClick={() => void batch.cancel()}>
                Cancel
              </button>
            </>
          )}
          {batch.ended && failed === 0 && (
            <button type="button" onClick={() => dismiss(batch.jobId)}>
              Close
            </button>
          )}
        </div>
      </div>
      <Bar label="All files" value={batch.sent.value} max={batch.size.value} />
      <p class="quiet" data-testid="sent">
        {count(done, 'file')} of {all} arrived, {bytes(batch.sent.value)} of {bytes(batch.size.value)}
        {!batch.ended && !batch.paused.value && left !== null && online.value && `, ${timeLeft(left)}`}
        {already > 0 && `; ${count(already, 'file')} had arrived before`}
      </p>
      <Rows batch={batch} />
    </div>
  );
}

function heading(batch: Batch, done: number, failed: number): string {
  if (batch.paused.value && !batch.ended) return 'Paused';
  if (!batch.ended) return online.value ? 'Sending' : 'Waiting for the network';
  if (failed > 0) return `${count(failed, 'file')} could not be sent`;
  return done > 0 ? 'All files have arrived' : 'Nothing to send';
}

function Rows({ batch }: { batch: Batch }) {
  const rank = (item: Item): number => ORDER.indexOf(item.state.value);
  const items = batch.in(...ORDER).sort((a, b) => rank(a) - rank(b));
  return (
    <ul class="files">
      {items.slice(0, ROWS).map((item) => (
        <Row key={item.path} item={item} batch={batch} />
      ))}
      {items.length > ROWS && <li class="quiet">and {count(items.length - ROWS, 'file')} more</li>}
    </ul>
  );
}

function Row({ item, batch }: { item: Item; batch: Batch }) {
  const state = item.state.value;
  return (
    <li class={`file ${state}`}>
      <span class="path">{item.path}</span>
      <span class="quiet">
        {state === 'sending' ? `${bytes(item.sent.value)} of ${bytes(item.size)}` : `${bytes(item.size)}, ${WORDS[state]}`}
      </span>
      {state !== 'done' && <Bar label={item.path} value={item.sent.value} max={item.size} />}
      {item.reason.value && <span class="reason">{item.reason.value}</span>}
      {state === 'failed' && (
        <button type="button" class="link" onClick={() => batch.retry(item)} aria-label={`Try ${item.path} again`}>
          Try again
        </button>
      )}
      {!['done', 'cancelled'].includes(state) && (
        <button type="button" class="link" onClick={() => void item.cancel()} aria-label={`Cancel ${item.path}`}>
          Cancel
        </button>
      )}
    </li>
  );
}
