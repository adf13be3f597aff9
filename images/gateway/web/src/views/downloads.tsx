// What the reconstruction left for other programs.

import { useState } from 'preact/hooks';
import { outputOf, outputsOf, type Job } from '../service';
import { bytes } from '../words';
import { Loaded } from './details';
import { Action, Problem } from './parts';

// Asked for with the person's credentials, which a plain link would not carry.
async function save(job: Job, path: string): Promise<void> {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await outputOf(job.id, path));
  link.download = `${job.name}-${path.split('/').at(-1)}`;
  link.click();
  URL.revokeObjectURL(link.href);
}

export function Downloads({ job }: { job: Job }) {
  const [problem, setProblem] = useState('');
  return (
    <Loaded title="Downloads" load={() => outputsOf(job.id)} version={job.completed_at ?? ''}>
      {(files) => (
        <>
          <Problem text={problem} />
          <ul class="files">
            {files.map(({ path, size }) => (
              <li key={path} class="file">
                <span class="path">{path}</span>
                <span class="quiet">{bytes(size)}</span>
                <Action label="Download" run={() => save(job, path)} failed={setProblem} />
              </li>
            ))}
          </ul>
        </>
      )}
    </Loaded>
  );
}
