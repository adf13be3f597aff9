// What the person chose: all of it in one place, which tells whoever draws, shows or links it when it changes.

import type { Box3, Vector3 } from 'three';
import type { Kind, Measurement } from './measure';

export type Colouring = 'photos' | 'elevation';

export interface Choices {
  /** Of a point on the screen, in CSS pixels; null lets the number of points tell. */
  pointSize: number | null;
  /** Points drawn at most; null lets the page find what the machine can draw fluently. */
  pointBudget: number | null;
  colouring: Colouring;
  /** Eye-dome lighting: edges of depth are darkened, which shows shape. */
  shading: boolean;
  /** Nothing outside is drawn or picked; null draws all. */
  clip: Box3 | null;
  /** Whether the places are shown from which the photos were taken. */
  photos: boolean;
  /** What clicks measure now; null: they do not. */
  tool: Kind | null;
  /** The points of a measurement that is not complete. */
  draft: readonly Vector3[];
  measurements: readonly Measurement[];
}

export class Store {
  private readonly listeners: ((now: Choices) => void)[] = [];

  constructor(private choices: Choices) {}

  get now(): Readonly<Choices> {
    return this.choices;
  }

  set(changed: Partial<Choices>): void {
    this.choices = { ...this.choices, ...changed };
    for (const listener of this.listeners) listener(this.choices);
  }

  /** Calls back now and after each change. */
  follow(listener: (now: Choices) => void): void {
    this.listeners.push(listener);
    listener(this.choices);
  }
}
