// How far a job is: its three stages, its percentage, and the time left.

import type { Job, StageName } from '../service';
import { moment, timeLeft } from '../words';
import { Bar } from './parts';

const STAGES: [StageName, string][] = [
  ['ingest', 'Photos'],
  ['reconstruct', 'Reconstruction'],
  ['convert', 'Point cloud'],
];
const WORDS: Record<string, string> = {
  Pending: 'waiting',
  Running: 'running',
  Suspended: 'suspended',
  Succeeded: 'done',
  Failed: 'failed',
};

export function Stages({ job }: { job: Job }) {
  const phases = new Map(job.stages.map(({ name, phase }) => [name, phase]));
  return (
    <ol class="stages" aria-label="Stages">
      {STAGES.map(([name, title]) => {
        const phase = phases.get(name) ?? '';
        return (
          <li key={name} class={phase.toLowerCase()} aria-current={job.stage === name && phase === 'Running' ? 'step' : undefined}>
            {title}
            <span class="unseen">: {WORDS[phase] ?? 'not begun'}</span>
          </li>
        );
      })}
    </ol>
  );
}

const INTERRUPTIONS: Record<string, string> = {
  Preempted: 'made room for more urgent work',
  Evicted: 'had to leave its node',
  NodeLost: 'lost its node',
  PodDeleted: 'lost its pod',
};

// What the work went through: none of it is a failure.
export function History({ job }: { job: Job }) {
  const lines = job.stages.flatMap(({ name, interruptions, earlier_attempts: attempts }) => {
    const title = STAGES.find(([stage]) => stage === name)?.[1] ?? name;
    return [
      ...attempts.flatMap(({ reason, memory, scratch_size: scratch }) => {
        if (reason === 'OutOfMemory') return [`${title} ran out of ${memory ?? 'its'} memory and was given more.`];
        if (reason === 'OutOfScratch') return [`${title} ran out of ${scratch ?? 'its'} scratch space and was given more.`];
        return [];
      }),
      ...interruptions.map(
        ({ reason, at }) => `${title} ${INTERRUPTIONS[reason] ?? 'was interrupted'} and went on elsewhere (${moment(at)}).`,
      ),
    ];
  });
  if (lines.length === 0) return null;
  return (
    <ul class="quiet history" aria-label="What the work went through">
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

export function Progress({ job }: { job: Job }) {
  const { percent, message, seconds_remaining: left, error_seconds: error } = job.progress;
  return (
    <div class="progress">
      <Bar label={`Progress of ${job.name}`} value={percent} max={100} />
      <p>
        <b>{percent}%</b>
        {left !== null && <span>{timeLeft(left, error ?? 0)}</span>}
        <span class="quiet">{message}</span>
      </p>
    </div>
  );
}

// One word for the state, as people say it.
export function wordOf(job: Job): string {
  if (job.deleting) return 'being deleted';
  if (job.suspended && job.status === 'pending') return 'suspended';
  if (job.status === 'pending') return 'waiting for files';
  if (job.status === 'processing') return job.stages.length === 0 ? 'about to start' : 'in progress';
  return job.status === 'completed' ? 'ready' : 'failed';
}

export function State({ job }: { job: Job }) {
  return <span class={`state ${job.suspended ? 'suspended' : job.status}`}>{wordOf(job)}</span>;
}
