// What was chosen for a point cloud that is not there yet; it outlives the view, and being signed out.

import { signal } from '@preact/signals';
import { choose, type Choice, type Picked } from './pick';

const NOTHING: Choice = { taken: [], leftOut: [] };

export const draft = signal<Choice>(NOTHING);

export function addToDraft(files: Picked[]): void {
  draft.value = choose(draft.value, files);
}

export function clearDraft(): void {
  draft.value = NOTHING;
}
