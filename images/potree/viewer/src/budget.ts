// Finds how many points the machine draws fluently: it begins with few, takes more while drawing is quick, and fewer
// once it is slow.

/** What any machine with a graphics card draws at once. */
const START = 200_000;
const LEAST = 100_000;
/** A drawing that takes longer is one that the hand feels. */
const SLOW_MS = 60;
/** What is aimed at, which is below: what is drawn differs from view to view. */
const GOAL_MS = 45;
/** Quick enough for more: also where a browser that saves power draws 30 times a second. */
const QUICK_MS = 36;
/** So slow that unpacking at the same time is not the reason. */
const LONG_MS = 250;
const GROWTH = 2;
/** How many drawings are judged together, and how few where these took so long that they suffice. */
const JUDGED = 8;
const FEWEST = 3;
const ENOUGH_MS = 1000;
/** After a bad time so many judgements in a row must be good before there are more points, and after two no more come. */
const ASSURED = 5;
const BAD_TIMES = 2;
/** A cloud of which the view shows less is not held back by the budget. */
const FILLED = 0.8;

export interface Drawing {
  /** From its beginning to its end on the graphics card, without waiting for the one before. */
  milliseconds: number;
  points: number;
  shaded: boolean;
  /** Whether points were fetched or unpacked meanwhile. */
  loading: boolean;
}

export class AdaptiveBudget {
  points: number;
  /** Whether even few points are slow with shading, which then has to wait until nothing moves. */
  plain = false;
  private readonly most: number;
  private times: number[] = [];
  /** How often points had to be taken away after it went well. */
  private badTimes = 0;
  private bad = false;
  /** Judgements in a row that let the points be. */
  private good = 0;
  /** Whether it is known that so many points are neither too many nor too few. */
  private fits = false;

  /** @param most Points that are drawn at most, however quick the machine. */
  constructor(most: number) {
    this.most = most;
    this.points = Math.min(START, most);
  }

  /** Whether to draw the same again, only to learn whether there may be more. */
  wants(points: number): boolean {
    return this.badTimes === 0 && !this.fits && this.points < this.most && points >= FILLED * this.points;
  }

  /** Call after each drawing. Returns whether anything changed. */
  judge({ milliseconds, points, shaded, loading }: Drawing): boolean {
    // What began before the last change, and the picture at rest, tell nothing of what is drawn now.
    if (points > this.points || (shaded && this.plain)) return false;
    if (loading && milliseconds < LONG_MS) return false;
    this.times.push(milliseconds);
    const sum = this.times.reduce((a, b) => a + b);
    if (this.times.length < (sum >= ENOUGH_MS ? FEWEST : JUDGED)) return false;
    // The slowest is left out: single ones are slow for reasons of their own, as the first of a shader is.
    const mean = (sum - Math.max(...this.times)) / (this.times.length - 1);
    this.times = [];
    if (mean > SLOW_MS) return this.lessen(points, mean, shaded);
    this.fits = mean > QUICK_MS;
    this.bad = false;
    this.good++;
    return !this.fits && points >= FILLED * this.points && this.grow(mean);
  }

  private lessen(points: number, mean: number, shaded: boolean): boolean {
    this.good = 0;
    if (shaded && this.points <= START) {
      this.plain = true;
      return true;
    }
    this.fits = true;
    if (this.points === LEAST) return false;
    if (!this.bad) this.badTimes++;
    this.bad = true;
    this.points = Math.max(LEAST, Math.round((points * GOAL_MS) / mean));
    return true;
  }

  private grow(mean: number): boolean {
    if (this.points === this.most || this.badTimes >= BAD_TIMES) return false;
    if (this.badTimes > 0 && this.good < ASSURED) return false;
    this.good = 0;
    this.points = Math.min(this.most, Math.round(this.points * Math.min(GROWTH, GOAL_MS / mean)));
    return true;
  }
}
