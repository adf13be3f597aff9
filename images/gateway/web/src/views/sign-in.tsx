// Where a token or a key is asked for.

import { useState } from 'preact/hooks';
import { address } from '../addresses';
import { Failure, failureOf, UNREACHABLE, wordsOf } from '../failure';
import { signedOutBecause, signIn } from '../session';
import { sending } from '../uploads/batch';
import { Heading, Mark, Problem } from './parts';

export function SignIn() {
  const [secret, setSecret] = useState('');
  const [keep, setKeep] = useState(false);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    setBusy(true);
    try {
      const given = secret.trim();
      await check(given);
      signIn(given, keep);
    } catch (error) {
      setProblem(wordsOf(error));
      setBusy(false);
    }
  }

  return (
    <main class="sign-in">
      <Mark />
      <Heading title="Sign in">Photos in, point clouds out</Heading>
      <p class="quiet">Sign in to send photos, watch them become a 3D point cloud, and share it.</p>
      <form onSubmit={(event) => void submit(event)}>
        {signedOutBecause.value && (
          <p class="problem" role="alert">
            {signedOutBecause.value} {sending.value && 'Your files wait, and go on once you have signed in.'}
          </p>
        )}
        <input hidden autocomplete="username" value="point clouds" />
        <label for="secret">Access token or API key</label>
        <input
          id="secret"
          type="password"
          autocomplete="current-password"
          required
          aria-describedby="where"
          value={secret}
          onInput={(event) => setSecret(event.currentTarget.value)}
        />
        <p id="where" class="hint">
          The key that your platform team gave you, or the output of <code>kubectl create token</code>.
        </p>
        <label class="check">
          <input type="checkbox" checked={keep} onChange={(event) => setKeep(event.currentTarget.checked)} />
          Keep me signed in on this device
        </label>
        <Problem text={problem} />
        <button class="primary" disabled={busy}>
          Sign in
        </button>
      </form>
    </main>
  );
}

// Not as other requests are made: a wrong secret is no end of a session.
async function check(secret: string): Promise<void> {
  if (!/^[\x21-\x7e]+$/.test(secret)) throw new Failure('A token or key has no spaces or accents. Copy it again, whole.');
  const headers = { Authorization: `Bearer ${secret}` };
  const response = await fetch(address('whoami'), { headers, cache: 'no-store' }).catch(() => null);
  if (!response) throw new Failure(UNREACHABLE);
  if (response.status === 401) throw new Failure('This token or key is not known, or no longer valid. Copy it again, whole, or ask for a new one.');
  if (!response.ok) throw failureOf(response.status, await response.text());
}
