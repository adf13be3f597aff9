// What is looked at seldom, and loaded only then: the stored files, the log, and how such sections load.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Failure, wordsOf } from '../failure';
import { request } from '../http';
import { filesOf, jobPath, type Job, type StoredFile } from '../service';
import { bytes, count } from '../words';
import { Problem } from './parts';

export const ROWS = 200;
const LOG_CHARACTERS = 200_000;

interface LoadedProps<T> {
  title: string;
  load: () => Promise<T>;
  // A change of it loads anew.
  version: string;
  children: (value: T) => preact.ComponentChild;
}

// A closed section that loads what it shows when it is opened.
export function Loaded<T>({ title, load, version, children }: LoadedProps<T>) {
  const [open, setOpen] = useState(false);
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    if (!open) return;
    setError(null);
    load().then(setValue, setError);
  }, [open, version]);
  return (
    <details class="more" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      <NotYet error={error} />
      {value === null ? error === null && <p role="status">Loading…</p> : children(value)}
    </details>
  );
}

// What is not there yet is no failure.
function NotYet({ error }: { error: unknown }) {
  if (error === null) return null;
  if (error instanceof Failure && error.status === 404) return <p class="quiet">{error.message}</p>;
  return <Problem text={wordsOf(error)} />;
}

export function StoredFiles({ job }: { job: Job }) {
  return (
    <Loaded title="Files" load={() => filesOf(job.id)} version={String(job.upload_revision)}>
      {(files) => (
        <>
          <p class="quiet">
            {count(files.length, 'file')}, {bytes(files.reduce((sum, { size }) => sum + size, 0))}
          </p>
          <ul class="files">
            {files.slice(0, ROWS).map((file: StoredFile) => (
              <li key={file.id} class="file">
                <span class="path">{file.name}</span>
                <span class="quiet">{bytes(file.size)}</span>
              </li>
            ))}
            {files.length > ROWS && <li class="quiet">and {count(files.length - ROWS, 'file')} more</li>}
          </ul>
        </>
      )}
    </Loaded>
  );
}

export function Logs({ job }: { job: Job }) {
  const begun = job.stages.map(({ name }) => name);
  const [chosen, setChosen] = useState('');
  const [open, setOpen] = useState(false);
  const [text, setText] = useState('');
  const [error, setError] = useState<unknown>(null);
  const box = useRef<HTMLPreElement>(null);
  const stage = chosen || job.stage || begun.at(-1) || '';

  async function load(): Promise<void> {
    try {
      const whole = await (await request(`${jobPath(job.id, 'logs')}?${new URLSearchParams({ stage })}`)).text();
      setText(whole.slice(-LOG_CHARACTERS));
      setError(null);
    } catch (failure) {
      setText('');
      setError(failure);
    }
  }
  useEffect(() => {
    if (open && stage !== '') void load();
  }, [open, stage]);
  useEffect(() => box.current?.scrollTo(0, box.current.scrollHeight), [text]);

  if (begun.length === 0) return null;
  return (
    <details class="more" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Log</summary>
      <div class="actions">
        <select aria-label="Stage" value={stage} onChange={(event) => setChosen(event.currentTarget.value)}>
          {begun.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <button type="button" onClick={() => void load()}>
          Refresh
        </button>
      </div>
      <NotYet error={error} />
      <pre ref={box} tabIndex={0} aria-label={`Log of ${stage}`} hidden={text === ''}>
        {text}
      </pre>
    </details>
  );
}
