// Addresses relative to where the page lies, so that it works behind a proxy's prefix and through a port-forward.

export function address(path: string): string {
  return new URL(path, document.baseURI).href;
}

// The service writes addresses as the outside knows it; here they are asked of whoever served this page.
export function here(url: string): string {
  const path = /\/((?:potree|shared)\/.*)$/.exec(url)?.[1];
  return path === undefined ? url : address(path);
}
