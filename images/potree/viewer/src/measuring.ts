// Turns clicks into measurements.

import type { Vector3 } from 'three';
import type { Choices, Store } from './choices';
import { type Kind, TOOLS } from './measure';

export class Measuring {
  constructor(private readonly store: Store) {}

  /** Take up a tool, or lay it down if it was in hand. */
  take(tool: Kind): void {
    this.store.set({ tool: this.store.now.tool === tool ? null : tool, draft: [] });
  }

  add(point: Vector3): void {
    const { tool, draft } = this.store.now;
    // A double click is two clicks at one place, and nothing is measured between them.
    if (!tool || draft.at(-1)?.equals(point)) return;
    this.store.set({ draft: [...draft, point] });
    if (draft.length + 1 === TOOLS[tool].most) this.finish();
  }

  /** Complete an area, whose number of corners only the person knows. */
  finish(): void {
    const { tool, draft, measurements } = this.store.now;
    if (canFinish(this.store.now)) {
      this.store.set({ draft: [], measurements: [...measurements, { kind: tool as Kind, points: draft }] });
    }
  }

  undo(): void {
    const { draft, measurements } = this.store.now;
    this.store.set(draft.length ? { draft: draft.slice(0, -1) } : { measurements: measurements.slice(0, -1) });
  }

  remove(index: number): void {
    this.store.set({ measurements: this.store.now.measurements.filter((_, other) => other !== index) });
  }

  clear(): void {
    this.store.set({ draft: [], measurements: [] });
  }

  /** Give up the points begun with, or else the tool. */
  escape(): void {
    this.store.set(this.store.now.draft.length ? { draft: [] } : { tool: null });
  }
}

export function canFinish({ tool, draft }: Readonly<Choices>): boolean {
  return tool !== null && draft.length >= TOOLS[tool].least;
}
