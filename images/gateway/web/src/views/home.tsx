// The overview: what is under way, what needs somebody, the gallery, and on request the archive.

import { useState } from 'preact/hooks';
import { here } from '../addresses';
import { wordsOf } from '../failure';
import { archived, connection, jobs } from '../jobs';
import { jobHref } from '../route';
import { install, type Job } from '../service';
import { batches } from '../uploads/batch';
import { unfinished } from '../uploads/unfinished';
import { ago, bytes, compact, count } from '../words';
import { Action, Heading, Mark, Problem } from './parts';
import { Picture } from './picture';
import { Progress, Stages, State } from './stages';

export function Home() {
  const [text, setText] = useState('');
  const all = [...jobs.value.values()].sort((a, b) => b.created_at.localeCompare(a.created_at));
  const shown = all.filter(({ id }) => id.includes(text.trim().toLowerCase()));
  const finished = shown.filter((job) => job.status === 'completed');
  const failed = shown.filter((job) => job.status === 'failed');
  const others = shown.filter((job) => job.status === 'pending' || job.status === 'processing');
  return (
    <>
      <div class="title">
        <Heading title="Overview">Point clouds</Heading>
        {all.length > 6 && (
          <input
            type="search"
            aria-label="Find by name"
            placeholder="Find by name"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        )}
      </div>
      {connection.value === 'loading' && <p role="status">Loading…</p>}
      {connection.value !== 'loading' && all.length === 0 && <Welcome />}
      <Section title="In progress" jobs={others}>
        {(job) => <Underway job={job} />}
      </Section>
      <Section title="Need attention" jobs={failed}>
        {(job) => <Failed job={job} />}
      </Section>
      <Section title="Gallery" jobs={finished} kind="gallery">
        {(job) => <Finished job={job} />}
      </Section>
      {text !== '' && shown.length === 0 && <p role="status">No point cloud is called “{text}”.</p>}
      <Archive text={text} />
    </>
  );
}

function Welcome() {
  return (
    <section class="welcome">
      <Mark />
      <h2>Make your first point cloud</h2>
      <p>Walk around the object and take 30 or more overlapping photos, or a short video. Then drop them on this page.</p>
      <a class="button primary" href="#/new">
        Choose photos
      </a>
    </section>
  );
}

interface SectionProps {
  title: string;
  jobs: Job[];
  kind?: string;
  children: (job: Job) => preact.ComponentChild;
}

function Section({ title, jobs: some, kind = 'list', children }: SectionProps) {
  if (some.length === 0) return null;
  return (
    <section aria-label={title}>
      <h2>
        {title} <span class="quiet">{some.length}</span>
      </h2>
      <ul class={kind}>
        {some.map((job) => (
          <li key={job.id} class="card">
            {children(job)}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Name({ job }: { job: Job }) {
  const elsewhere = install.value && job.namespace !== install.value.default_namespace;
  return (
    <h3>
      <a href={jobHref(job.id)}>{job.name}</a>
      {elsewhere && <span class="quiet"> {job.namespace}</span>}
    </h3>
  );
}

function Underway({ job }: { job: Job }) {
  return (
    <>
      <Picture job={job} />
      <div class="about">
        <div class="line">
          <Name job={job} />
          <State job={job} />
        </div>
        <Stages job={job} />
        <Progress job={job} />
        <Files job={job} />
      </div>
    </>
  );
}

// What of its files is on the way, or has not arrived.
function Files({ job }: { job: Job }) {
  const batch = batches.value.get(job.id);
  if (batch && !batch.ended) {
    return (
      <p class="quiet">
        Sending files: {bytes(batch.sent.value)} of {bytes(batch.size.value)}
      </p>
    );
  }
  const owed = unfinished.files.value[job.id];
  return owed ? <p class="note">{count(owed, 'file')} sent from this device did not arrive. Choose them again.</p> : null;
}

function Failed({ job }: { job: Job }) {
  return (
    <>
      <Picture job={job} />
      <div class="about">
        <div class="line">
          <Name job={job} />
          <State job={job} />
        </div>
        <p>{job.failure?.message}</p>
      </div>
    </>
  );
}

function Finished({ job }: { job: Job }) {
  return (
    <>
      {job.potree_url === null ? (
        <Picture job={job} />
      ) : (
        <a class="open" href={here(job.potree_url)} target="_blank" rel="noopener" aria-label={`Open ${job.name} in the viewer`}>
          <Picture job={job} />
        </a>
      )}
      <div class="about">
        <Name job={job} />
        <p class="quiet">
          {[job.points !== null && `${compact(job.points)} points`, job.images?.registered != null && count(job.images.registered, 'photo'), ago(job.completed_at ?? job.created_at)]
            .filter(Boolean)
            .join(' · ')}
        </p>
      </div>
    </>
  );
}

// Jobs whose resource is gone; asked for, since most people never look.
function Archive({ text }: { text: string }) {
  const [found, setFound] = useState<Job[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [problem, setProblem] = useState('');

  async function load(before: Job[], after: string): Promise<void> {
    const page = await archived(text, after);
    setFound([...before, ...page.items]);
    setNext(page.next);
  }

  // Anew each time, since it grows.
  function opened(): void {
    setProblem('');
    load([], '').catch((error: unknown) => setProblem(wordsOf(error)));
  }

  return (
    <>
      <details
        class="archive"
        onToggle={(event) => {
          if (event.currentTarget.open) opened();
        }}
      >
        <summary>Archive</summary>
        <p class="quiet">What is left of jobs that are no longer in the cluster.</p>
        <Problem text={problem} />
        {found?.length === 0 && <p>The archive is empty.</p>}
        <ul class="gallery">
          {(found ?? []).map((job) => (
            <li key={job.id} class="card">
              <Finished job={job} />
            </li>
          ))}
        </ul>
        {found !== null && next !== null && <Action label="Show more" run={() => load(found, next)} failed={setProblem} />}
      </details>
    </>
  );
}
