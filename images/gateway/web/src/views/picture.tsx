// A job's picture, or what stands in for it.

import { useEffect, useState } from 'preact/hooks';
import { here } from '../addresses';
import type { Job } from '../service';
import { Mark } from './parts';

export function Picture({ job }: { job: Job }) {
  const [missing, setMissing] = useState(false);
  useEffect(() => setMissing(false), [job.preview_url]);
  if (job.preview_url === null || missing) {
    return (
      <div class="picture">
        <Mark />
      </div>
    );
  }
  return (
    <div class="picture">
      <img src={here(job.preview_url)} alt="" width="640" height="400" loading="lazy" onError={() => setMissing(true)} />
    </div>
  );
}
