// Server-sent events over fetch, since EventSource cannot send an Authorization header.

import { createParser } from 'eventsource-parser';
import { request } from './http';

// The service sends a comment every 15 s: longer silence means that nobody is there any more.
const SILENCE_MS = 45_000;

export interface ServerEvent {
  name: string;
  id: string;
  data: string;
}

// Calls `take` for each event until the stream ends. Throws when it cannot be opened, breaks, or falls silent.
export async function listen(
  path: string,
  lastId: string,
  stop: AbortSignal,
  opened: () => void,
  take: (event: ServerEvent) => void,
): Promise<void> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const headers: HeadersInit = { Accept: 'text/event-stream', ...(lastId ? { 'Last-Event-ID': lastId } : {}) };
    const response = await request(path, { headers, signal: AbortSignal.any([stop, silence.signal]) });
    if (!response.body) return;
    opened();
    const parser = createParser({
      onEvent: ({ event, id, data }) => take({ name: event ?? 'message', id: id ?? '', data }),
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      parser.feed(part.value);
    }
  } finally {
    clearTimeout(timer);
  }
}
