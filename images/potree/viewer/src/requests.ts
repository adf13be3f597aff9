// Loads the octree's files and checks what the server answers. potree-core looks at no status and at no
// length: without this a missing file is asked for again for ever, and one cut short never finishes.

import { Failure } from './failure';

const TRIES = 5;
const FIRST_PAUSE_MS = 300;
// A connection that says nothing for so long is dead, whatever it looks like.
const PATIENCE_MS = 60_000;

/** What potree-core loads its files through. */
export class Requests {
  /** @param failed Called once a file cannot be had; potree-core itself swallows errors. */
  constructor(private readonly failed: (failure: Failure) => void) {}

  async getUrl(url: string): Promise<string> {
    return url;
  }

  async fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    // potree-core also sends a content-type, which would make every request to another origin a preflight.
    const range = new Headers(init?.headers).get('range');
    try {
      return await load(String(input), range);
    } catch (error) {
      if (error instanceof Failure) this.failed(error);
      throw error;
    }
  }
}

/** Fetches and parses a JSON file; null where it may be missing, and there is none or none that can be read. */
export async function fetchJson(url: string, options: { optional: boolean }): Promise<unknown> {
  try {
    return await (await load(url, null)).json();
  } catch (error) {
    // Not where the network failed: the file may be there, and say how to look at the cloud.
    if (options.optional && !(error instanceof Failure && error.passing)) return null;
    if (error instanceof SyntaxError) {
      throw new Failure(`${fileName(url)} is damaged.`, 'Run the conversion again.');
    }
    throw error;
  }
}

async function load(url: string, range: string | null): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const answer = await attemptLoad(url, range);
    if (!(answer instanceof Failure)) return answer;
    if (attempt === TRIES) throw answer;
    await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS * 2 ** (attempt - 1)));
  }
}

/** Loads once. Returns the failures that another try may mend and throws the others. */
async function attemptLoad(url: string, range: string | null): Promise<Response | Failure> {
  let response: Response;
  let body: ArrayBuffer;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    response = await fetch(url, { signal: stop.signal, ...(range ? { headers: { range } } : {}) });
    body = await response.arrayBuffer();
  } catch {
    return new Failure(`${fileName(url)} could not be loaded.`, 'Check the network connection, then try again.', true);
  } finally {
    clearTimeout(timer);
  }
  if (response.status >= 500 || response.status === 429) {
    return new Failure(`The server answered ${response.status} for ${fileName(url)}.`, 'Try again in a moment.', true);
  }
  if (response.status === 416) throw cutShort(url);
  if (!response.ok) throw refused(url, response.status);
  if (range) checkRange(url, range, response.status, body.byteLength);
  return new Response(body);
}

function checkRange(url: string, range: string, status: number, length: number): void {
  if (status !== 206) {
    throw new Failure(
      `The server ignores Range requests: it answered ${status} for a part of ${fileName(url)}.`,
      'Serve this folder from a server or a bucket that supports byte ranges (answer 206).',
    );
  }
  const [first, last] = range.replace('bytes=', '').split('-').map(Number);
  if (length !== (last ?? NaN) - (first ?? NaN) + 1) throw cutShort(url);
}

function cutShort(url: string): Failure {
  return new Failure(`${fileName(url)} is cut short.`, 'Copy the folder again, or run the conversion again.');
}

function refused(url: string, status: number): Failure {
  if (status === 401 || status === 403) {
    return new Failure(`You may not see this point cloud (${status}).`, 'Sign in, or ask its owner for access.');
  }
  return new Failure(
    `${fileName(url)} is not here (${status}).`,
    'The point cloud may be gone, or not be finished yet: look at its PointcloudJob, then reload.',
  );
}

function fileName(url: string): string {
  return new URL(url, location.href).pathname.split('/').pop() ?? url;
}
