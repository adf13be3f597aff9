// Tells how long drawings take. The graphics card draws later than it is told to: a fence behind each drawing tells
// when it is done. Fences are looked at once a frame, so no time is shorter than a frame of the screen.

interface Begun<T> {
  what: T;
  at: number;
  fence: WebGLSync;
}

export interface Done<T> {
  what: T;
  milliseconds: number;
}

export class Stopwatch<T> {
  private readonly begun: Begun<T>[] = [];
  private lastEnd = -Infinity;

  constructor(private readonly gl: WebGL2RenderingContext) {}

  /** Whether a drawing is not done. */
  get busy(): boolean {
    return this.begun.length > 0;
  }

  /** Call after the commands of a drawing, with the time before them. */
  drawn(what: T, at: number): void {
    const fence = this.gl.fenceSync(this.gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    // None is to be had of a graphics card that was taken away.
    if (fence) this.begun.push({ what, at, fence });
  }

  /** The drawings that are done since this was called last, in order. */
  done(now: number): Done<T>[] {
    const { begun, gl } = this;
    const done: Done<T>[] = [];
    for (let first = begun[0]; first && this.passed(first.fence); first = begun[0]) {
      begun.shift();
      gl.deleteSync(first.fence);
      // It had to wait for the one before.
      done.push({ what: first.what, milliseconds: now - Math.max(first.at, this.lastEnd) });
      this.lastEnd = now;
    }
    return done;
  }

  /** What is not done will not be told: call where frames stop and go on later. */
  forget(): void {
    for (const { fence } of this.begun.splice(0)) this.gl.deleteSync(fence);
  }

  private passed(fence: WebGLSync): boolean {
    return this.gl.getSyncParameter(fence, this.gl.SYNC_STATUS) === this.gl.SIGNALED;
  }
}
