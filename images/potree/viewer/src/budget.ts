// Finds how many points the machine draws fluently. It only ever goes down, step by step, so it cannot flap.

/** A slower frame is one that the hand feels. */
const SLOW_MS = 60;
/** How many frames are judged together: their median, as single ones are slow for reasons of their own. */
const JUDGED = 8;
const STEP = 0.7;
const LEAST = 150_000;
/** A longer pause was one between two movements, no frame. */
const PAUSE_MS = 1000;

export class AdaptiveBudget {
  points: number;
  private durations: number[] = [];
  private last: number | null = null;

  constructor(points: number) {
    this.points = points;
  }

  /**
   * Call with the time of each frame, in milliseconds. Returns whether the budget changed.
   * @param counts Whether the frame tells how fast drawing is: the camera moved and nothing was being unpacked.
   */
  frame(now: number, counts: boolean): boolean {
    const duration = this.last === null ? Infinity : now - this.last;
    this.last = now;
    if (!counts || duration > PAUSE_MS) return false;
    this.durations.push(duration);
    if (this.durations.length < JUDGED) return false;
    const median = this.durations.sort((a, b) => a - b)[JUDGED / 2] as number;
    this.durations = [];
    if (median <= SLOW_MS || this.points <= LEAST) return false;
    this.points = Math.max(LEAST, Math.round(this.points * STEP));
    return true;
  }
}
