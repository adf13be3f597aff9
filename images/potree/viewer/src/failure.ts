// An error that tells the person in front of the page what to do next.

export class Failure extends Error {
  /** @param passing Whether the same may work a moment later, so that it is worth to be tried again. */
  constructor(
    message: string,
    readonly remedy: string,
    readonly passing = false,
  ) {
    super(message);
  }
}

export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  return new Failure(
    'The viewer ran into a problem of its own.',
    `Reload the page. If that does not help, report this: ${error instanceof Error ? error.message : String(error)}`,
  );
}
