// Who is signed in: a bearer token, kept in this tab or, if asked for, on this device.

import { signal } from '@preact/signals';

const KEY = 'pointcloud.token';

export const token = signal<string | null>(sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY));
// Why somebody who was signed in no longer is.
export const signedOutBecause = signal('');

export function signIn(secret: string, keep: boolean): void {
  forget();
  (keep ? localStorage : sessionStorage).setItem(KEY, secret);
  signedOutBecause.value = '';
  token.value = secret;
}

// The service refused the token; what the page holds otherwise stays, so that work goes on after the next sign-in.
export function expire(refused: string, reason: string): void {
  if (token.value !== refused) return;
  forget();
  signedOutBecause.value = reason;
  token.value = null;
}

export function signOut(): void {
  forget();
  location.hash = '';
  location.reload();
}

function forget(): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
}
