// Requests to the service as the person signed in.

import { address } from './addresses';
import { Failure, failureOf, UNREACHABLE } from './failure';
import { expire, token } from './session';

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const secret = token.value;
  const headers = new Headers(init.headers);
  if (secret !== null) headers.set('Authorization', `Bearer ${secret}`);
  const response = await reach(path, { ...init, headers });
  if (response.ok) return response;
  const failure = failureOf(response.status, await response.text());
  if (response.status === 401 && secret !== null) expire(secret, failure.message);
  throw failure;
}

export async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return (await (await request(path, init)).json()) as T;
}

export function post<T>(path: string, body: object = {}): Promise<T> {
  return json<T>(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(address(path), { cache: 'no-store', ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Failure(UNREACHABLE);
  }
}
