// A new point cloud: files, a name, a quality.

import { useEffect, useState } from 'preact/hooks';
import { wordsOf } from '../failure';
import { put } from '../jobs';
import { go, jobHref } from '../route';
import { caller, createJob, install } from '../service';
import { send } from '../uploads/batch';
import { addToDraft, clearDraft, draft } from '../uploads/draft';
import { MAX_NAME, sizeOf, slug, suggestName, tooMuch } from '../uploads/pick';
import { bytes, count } from '../words';
import { Chooser } from './chooser';
import { Heading, Problem } from './parts';

const QUALITIES: Record<string, string> = {
  low: 'A first look within minutes: shows whether the photos overlap enough.',
  medium: 'Good detail for most objects, rooms and sites. Begin here.',
  high: 'Finer detail from larger pictures; several times slower, and needs more memory.',
  extreme: 'All that the photos hold; for a few hundred photos this can take a day.',
};

export function Create() {
  const { taken } = draft.value;
  const [ownName, setOwnName] = useState<string | null>(null);
  const [quality, setQuality] = useState('medium');
  const [keep, setKeep] = useState(true);
  const [ownNamespace, setNamespace] = useState<string | null>(null);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const name = ownName ?? suggestName(taken);
  const allowed = caller.value?.may_create ?? [];
  const usual = install.value?.default_namespace ?? '';
  const namespace = ownNamespace ?? (allowed.includes(usual) ? usual : (allowed[0] ?? usual));
  const limit = tooMuch(taken, install.value?.limits);
  useEffect(() => setProblem(''), [name, namespace, draft.value]);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (taken.length === 0) return setProblem('Choose the photos first: at least three, better thirty or more.');
    setBusy(true);
    try {
      const job = await createJob(slug(name), namespace, quality, keep ? 'Retain' : 'Delete');
      put(job);
      await send(job.id, taken, true);
      clearDraft();
      go(jobHref(job.id));
    } catch (error) {
      setProblem(wordsOf(error));
      setBusy(false);
    }
  }

  return (
    <>
      <Heading title="New point cloud">New point cloud</Heading>
      <form class="create" onSubmit={(event) => void submit(event)}>
        <Chooser take={addToDraft} invitation="Drop photos, videos, archives or whole folders here" />
        <Chosen />
        <Problem text={limit} />
        <label for="name">Name</label>
        <input
          id="name"
          required
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          placeholder="roman-statue"
          aria-describedby="name-hint"
          value={name}
          onInput={(event) => setOwnName(event.currentTarget.value)}
          onBlur={() => ownName !== null && setOwnName(ownName === '' ? null : slug(ownName))}
        />
        <p id="name-hint" class="hint">
          Small letters, digits and hyphens, {MAX_NAME} at most; other names are made to fit.
        </p>
        <fieldset>
          <legend>Quality</legend>
          {(install.value?.qualities ?? Object.keys(QUALITIES)).map((word) => (
            <label class="choice" key={word}>
              <input type="radio" name="quality" checked={quality === word} onChange={() => setQuality(word)} />
              <span>
                <b>{word}</b> <span class="quiet">{QUALITIES[word] ?? ''}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <label class="check">
          <input type="checkbox" checked={!keep} onChange={(event) => setKeep(!event.currentTarget.checked)} />
          When this point cloud is deleted, delete its files from the store too
        </label>
        {allowed.length > 1 && (
          <>
            <label for="namespace">Namespace</label>
            <select id="namespace" value={namespace} onChange={(event) => setNamespace(event.currentTarget.value)}>
              {allowed.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </>
        )}
        {caller.value && allowed.length === 0 && (
          <Problem text="You may look at point clouds here, but not make any. Ask your platform team for the right to create pointcloudjobs." />
        )}
        <Problem text={problem} />
        <div class="actions">
          <button class="primary" disabled={busy || limit !== ''}>
            {taken.length > 0 ? `Send ${count(taken.length, 'file')}` : 'Send'}
          </button>
          <a class="button" href="#/">
            Cancel
          </a>
        </div>
      </form>
    </>
  );
}

function Chosen() {
  const { taken, leftOut } = draft.value;
  return (
    <div role="status" class="chosen">
      {taken.length > 0 && (
        <p>
          <b>{count(taken.length, 'file')}</b>, {bytes(sizeOf(taken))}{' '}
          <button type="button" class="link" onClick={clearDraft}>
            Remove all
          </button>
        </p>
      )}
      {leftOut.length > 0 && (
        <p class="quiet">
          {count(leftOut.length, 'file')} left out, being neither photo, video nor archive: {leftOut.slice(0, 3).join(', ')}
          {leftOut.length > 3 && ' …'}
        </p>
      )}
    </div>
  );
}
