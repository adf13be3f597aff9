// One job: how far it is, its files, and what can be done with it.

import { useEffect, useState } from 'preact/hooks';
import { here } from '../addresses';
import { announce } from '../announce';
import { Failure, wordsOf } from '../failure';
import { connection, jobs, leave, put, remove } from '../jobs';
import { go } from '../route';
import { act, deleteJob, getJob, type Job } from '../service';
import { batches, dismiss } from '../uploads/batch';
import { unfinished } from '../uploads/unfinished';
import { ago, count, moment, number } from '../words';
import { Logs, StoredFiles } from './details';
import { Action, Dialog, Heading, Problem } from './parts';
import { Downloads } from './downloads';
import { Picture } from './picture';
import { Report } from './report';
import { Share } from './share';
import { History, Progress, Stages, State } from './stages';
import { Uploads } from './uploads';

export function JobView({ id }: { id: string }) {
  const live = jobs.value.get(id);
  const [record, setRecord] = useState<Job | null>(null);
  const [problem, setProblem] = useState('');
  const known = live !== undefined;
  const listed = connection.value === 'live';
  useEffect(() => {
    // Not among the live ones: archived, or not there at all.
    if (known || !listed) return;
    getJob(id).then(setRecord, (error: unknown) => setProblem(wordsOf(error)));
  }, [id, known, listed]);
  const job = live ?? record;
  if (job) return <Shown job={job} />;
  return (
    <>
      <Heading title={id}>{id}</Heading>
      {problem ? <Problem text={problem} /> : <p role="status">Loading…</p>}
      <a href="#/">All point clouds</a>
    </>
  );
}

function Shown({ job }: { job: Job }) {
  const [problem, setProblem] = useState('');
  const underway = job.status === 'pending' || job.status === 'processing';
  const title = job.status === 'processing' ? `${job.progress.percent}% ${job.name}` : job.name;
  return (
    <article class="job">
      <p class="crumb">
        <a href="#/">Point clouds</a>
      </p>
      <div class="line">
        <Heading title={title}>{job.name}</Heading>
        <State job={job} />
      </div>
      <div class="hero">
        <Picture job={job} />
        <div class="about">
          <Stages job={job} />
          {underway && <Progress job={job} />}
          <History job={job} />
          {job.failure && (
            <div class="problem">
              <b>{job.failure.reason.replace(/(?<=[a-z])(?=[A-Z])/g, ' ')}</b>
              <p>{job.failure.message}</p>
            </div>
          )}
          <Facts job={job} />
          <Buttons job={job} failed={setProblem} />
          <Problem text={problem} />
        </div>
      </div>
      {job.warnings.length > 0 && (
        <section class="note" aria-label="Warnings">
          <ul>
            {job.warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </section>
      )}
      {!job.archived && !job.deleting && job.settings.source === 'upload' && <Uploads job={job} />}
      {job.settings.source === 'upload' && <StoredFiles job={job} />}
      <Report job={job} />
      <Downloads job={job} />
      <Logs job={job} />
    </article>
  );
}

function Facts({ job }: { job: Job }) {
  const { images } = job;
  const facts: [string, string | null][] = [
    ['Photos', images && photos(images)],
    ['Points', job.points === null ? null : number(job.points)],
    ['Quality', job.settings.quality],
    ['Created', `${ago(job.created_at)}${job.owner ? ` by ${job.owner.split(':').at(-1)}` : ''}`],
    ['Finished', job.completed_at && moment(job.completed_at)],
    ['Given up', job.deadline_at && `unless it ends by ${moment(job.deadline_at)}`],
    ['Removed', job.removed_at && `on ${moment(job.removed_at)}`],
  ];
  return (
    <dl>
      {facts.map(([name, value]) =>
        value === null ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}

// Of those that can be read, how many have their place in the model, once that is known.
function photos({ found, usable, registered }: NonNullable<Job['images']>): string | null {
  if (usable === null) return found === null ? null : number(found);
  return registered === null ? number(usable) : `${number(registered)} of ${number(usable)} placed`;
}

function Buttons({ job, failed }: { job: Job; failed: (text: string) => void }) {
  const [dialog, setDialog] = useState<'' | 'share' | 'delete'>('');
  const close = (): void => setDialog('');
  const change = async (verb: 'suspend' | 'resume' | 'rerun'): Promise<void> => put(await act(job.id, verb));
  const ended = job.status === 'completed' || job.status === 'failed';
  const steerable = !job.archived && !job.deleting;
  return (
    <div class="actions">
      {job.potree_url !== null && (
        <a class="button primary" href={here(job.potree_url)} target="_blank" rel="noopener">
          Open in the viewer
        </a>
      )}
      {job.potree_url !== null && (
        <button type="button" onClick={() => setDialog('share')}>
          Share
        </button>
      )}
      {steerable && job.suspended && <Action label="Resume" run={() => change('resume')} failed={failed} />}
      {steerable && !job.suspended && !ended && <Action label="Suspend" run={() => change('suspend')} failed={failed} />}
      {steerable && ended && <Action label="Run again" run={() => change('rerun')} failed={failed} />}
      {!job.deleting && (
        <button type="button" class="danger" onClick={() => setDialog('delete')}>
          Delete
        </button>
      )}
      {dialog === 'share' && <Share job={job} close={close} />}
      {dialog === 'delete' && <Delete job={job} close={close} />}
    </div>
  );
}

function consequence(job: Job): string {
  if (job.archived) return 'Its record is removed from the archive.';
  if (job.settings.deletion_policy === 'Retain')
    return 'Its point cloud and its record are gone for everybody, which cannot be undone. The files stay in the store.';
  const photos = job.images?.found ? count(job.images.found, 'photo') : 'photos';
  return `Its ${photos}, its point cloud and its record are removed for everybody. This cannot be undone.`;
}

function Delete({ job, close }: { job: Job; close: () => void }) {
  const [problem, setProblem] = useState('');
  async function run(): Promise<void> {
    await batches.value.get(job.id)?.cancel();
    await deleteJob(job.id).then(
      () => leave(job.id),
      (error: unknown) => {
        if (!(error instanceof Failure) || error.status !== 404) throw error;
        remove(job.id); // Somebody else was quicker.
      },
    );
    dismiss(job.id);
    unfinished.set(job.id, 0);
    announce(`${job.name} is deleted.`);
    go('#/');
  }
  return (
    <Dialog title={`Delete ${job.name}?`} close={close}>
      <p>{consequence(job)}</p>
      <Problem text={problem} />
      <form method="dialog" class="actions">
        <button autofocus>Keep it</button>
        <Action label="Delete" kind="danger" run={run} failed={setProblem} />
      </form>
    </Dialog>
  );
}
