// The frame around every view, and which one is shown.

import { useSignalEffect } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { announce, news } from '../announce';
import { wordsOf } from '../failure';
import { connection, follow } from '../jobs';
import { backoff, online, wait } from '../network';
import { go, route } from '../route';
import { caller, introduce } from '../service';
import { signOut, token } from '../session';
import { sending } from '../uploads/batch';
import { addToDraft } from '../uploads/draft';
import { dropped } from '../uploads/pick';
import { Create } from './create';
import { Home } from './home';
import { JobView } from './job';
import { Dialog, Mark } from './parts';
import { SignIn } from './sign-in';

export function App() {
  if (token.value === null) return <SignIn />;
  return <Signed key={token.value} />;
}

function Signed() {
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    const stop = new AbortController();
    void follow(stop.signal);
    void meet(stop.signal, setTrouble);
    return () => stop.abort();
  }, []);
  useEffect(takeDrops, []);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to content
      </a>
      <Header />
      <Banner trouble={trouble} />
      <main id="main">
        <View />
      </main>
      <Live />
    </>
  );
}

function View() {
  const current = route.value;
  if (current.view === 'new') return <Create />;
  if (current.view === 'job') return <JobView key={current.id} id={current.id} />;
  return <Home />;
}

function Header() {
  const [leaving, setLeaving] = useState(false);
  const leave = (): void => (sending.value ? setLeaving(true) : signOut());
  return (
    <header>
      <a class="brand" href="#/">
        <Mark /> Point clouds
      </a>
      <nav aria-label="Main">
        <a class="button primary" href="#/new">
          New <span class="wide">point cloud</span>
        </a>
        <details class="menu">
          <summary aria-label="Account and help">⋯</summary>
          <div>
            {caller.value && <p>Signed in as {caller.value.username.split(':').at(-1)}</p>}
            <a href="docs">REST service</a>
            <button type="button" onClick={leave}>
              Sign out
            </button>
          </div>
        </details>
      </nav>
      {leaving && (
        <Dialog title="Sign out while files are being sent?" close={() => setLeaving(false)}>
          <p>They stop where they are. Sign in and choose the same files again to go on.</p>
          <form method="dialog" class="actions">
            <button class="primary">Stay</button>
            <button type="button" class="danger" onClick={signOut}>
              Sign out
            </button>
          </form>
        </Dialog>
      )}
    </header>
  );
}

function Banner({ trouble }: { trouble: string }) {
  const text = !online.value
    ? 'You are offline. Everything goes on by itself when the network is back.'
    : connection.value === 'stale'
      ? 'The service does not answer at the moment. What you see may be old; the page keeps trying.'
      : trouble;
  return (
    <div class="banner" role="status" hidden={text === ''}>
      {text}
    </div>
  );
}

function Live() {
  const [text, setText] = useState('');
  useSignalEffect(() => setText(news.value));
  return (
    <div class={text ? 'toast shown' : 'toast'} role="status">
      {text}
    </div>
  );
}

// Asks who is signed in until the service answers.
async function meet(stop: AbortSignal, tell: (text: string) => void): Promise<void> {
  for (let failures = 1; !stop.aborted; failures++) {
    try {
      await introduce();
      tell('');
      return;
    } catch (error) {
      tell(wordsOf(error));
      await wait(backoff(failures), stop);
    }
  }
}

// Files dropped anywhere but on a job's own field begin a new point cloud.
function takeDrops(): () => void {
  const ended = new AbortController();
  const { signal } = ended;
  addEventListener('dragover', (event) => event.preventDefault(), { signal });
  addEventListener(
    'drop',
    (event) => {
      if (event.defaultPrevented || !event.dataTransfer) return;
      event.preventDefault();
      void dropped(event.dataTransfer).then((files) => {
        if (files.length === 0) return;
        addToDraft(files);
        go('#/new');
      }, () => announce('These files cannot be read. Choose them with the button instead.'));
    },
    { signal },
  );
  return () => ended.abort();
}

function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('main h1')?.focus();
}
