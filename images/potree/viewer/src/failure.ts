// An error that tells the person in front of the page what to do next.

export class Failure extends Error {
  constructor(
    message: string,
    readonly remedy: string,
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
