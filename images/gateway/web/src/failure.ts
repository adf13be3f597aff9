// An error in words for the person in front of the page.

export class Failure extends Error {
  constructor(
    message: string,
    // Of HTTP; 0 where no answer came.
    readonly status = 0,
  ) {
    super(message);
  }
}

export function wordsOf(error: unknown): string {
  if (error instanceof Failure) return error.message;
  return `The page ran into a problem of its own: ${error instanceof Error ? error.message : String(error)}`;
}

export const UNREACHABLE = 'The service cannot be reached. Check your network; the page tries again by itself.';

// What an answer that is no success says: a problem document (RFC 9457), or else whatever a proxy wrote.
export function failureOf(status: number, body: string): Failure {
  try {
    const { detail, title } = JSON.parse(body) as { detail?: unknown; title?: unknown };
    if (typeof detail === 'string' && detail !== '') return new Failure(detail, status);
    if (typeof title === 'string' && title !== '') return new Failure(title, status);
  } catch {
    // No JSON: whoever answered was not the service.
  }
  return new Failure(`The service answered with status ${status}. Try again in a moment.`, status);
}
