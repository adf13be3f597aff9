// A link to a point cloud, for people who do not sign in.

import { useEffect, useState } from 'preact/hooks';
import { wordsOf } from '../failure';
import { share, type Job } from '../service';
import { moment } from '../words';
import { Dialog, Problem } from './parts';

const TERMS: [string, number][] = [
  ['for a day', 86_400],
  ['for a week', 604_800],
  ['for 30 days', 2_592_000],
  ['for a year', 31_536_000],
];

export function Share({ job, close }: { job: Job; close: () => void }) {
  const [seconds, setSeconds] = useState(604_800);
  const [link, setLink] = useState<{ url: string; expires_at: string } | null>(null);
  const [problem, setProblem] = useState('');
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    setCopied(false);
    share(job.id, seconds).then(setLink, (error: unknown) => setProblem(wordsOf(error)));
  }, [job.id, seconds]);

  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(link?.url ?? '');
      setCopied(true);
    } catch {
      setProblem('This browser lets pages copy over https only. Select the link and copy it yourself.');
    }
  }

  return (
    <Dialog title={`Share ${job.name}`} close={close}>
      <p>Whoever has the link can look at the point cloud, without signing in.</p>
      <label for="term">Good</label>
      <select id="term" value={seconds} onChange={(event) => setSeconds(Number(event.currentTarget.value))}>
        {TERMS.map(([words, value]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
      <label for="link">Link</label>
      <input id="link" readOnly value={link?.url ?? ''} onFocus={(event) => event.currentTarget.select()} />
      {link && <p class="hint">Until {moment(link.expires_at)}.</p>}
      <Problem text={problem} />
      <form method="dialog" class="actions">
        <button type="button" class="primary" disabled={link === null} onClick={() => void copy()}>
          Copy link
        </button>
        <button>Close</button>
        <span role="status">{copied && 'Copied.'}</span>
      </form>
    </Dialog>
  );
}
