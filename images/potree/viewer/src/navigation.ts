// Moves the camera as mouse, fingers and keys ask. What is under the pointer is what it turns about, holds and
// comes nearer to.

import type { Vector3 } from 'three';
import type { Pose, ViewCamera } from './camera';

// Radians a pixel: half a turn across 600 pixels.
const TURN = Math.PI / 600;
const KEY_TURN = Math.PI / 36;
/** Share of the window's height that a key moves by. */
const KEY_PAN = 0.1;
const KEY_ZOOM = 0.8;
const WHEEL_ZOOM = 0.0015;
/** Trackpads tell pinching as a wheel with Ctrl held, in smaller steps. */
const PINCH_ZOOM = 0.01;
const LINE_PIXELS = 16;
/** What moved less was a click. */
const CLICK_PIXELS = 5;
const FOCUS_SHARE = 0.35;

interface Finger {
  x: number;
  y: number;
}

export interface Handlers {
  /** The point of the cloud at a place on the screen, if one is near. */
  pick(x: number, y: number): Vector3 | null;
  click(x: number, y: number): void;
  /** Whether the double click meant something; else it goes to the point. */
  doubleClick(): boolean;
}

export class Navigation {
  private readonly fingers = new Map<number, Finger>();
  private pivot: Vector3 | null = null;
  private zoomPoint: Vector3 | null = null;
  private panning = false;
  /** How far the pointer went since it was pressed; Infinity once a second finger came. */
  private way = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly camera: ViewCamera,
    private readonly handlers: Handlers,
  ) {
    canvas.addEventListener('pointerdown', (event) => this.press(event));
    canvas.addEventListener('pointermove', (event) => this.move(event));
    canvas.addEventListener('pointerup', (event) => this.release(event));
    canvas.addEventListener('pointercancel', (event) => this.forget(event));
    canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    canvas.addEventListener('dblclick', (event) => this.focus(event));
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
  }

  /** Whether the key meant something. */
  key(event: KeyboardEvent): boolean {
    const arrows: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const arrow = arrows[event.key];
    const { target } = this.camera.pose;
    if (arrow && event.shiftKey) {
      const step = KEY_PAN * this.canvas.clientHeight;
      this.camera.pan(-arrow[0] * step, -arrow[1] * step, this.camera.depthOf(target));
    } else if (arrow) this.camera.orbit(target, -arrow[0] * KEY_TURN, -arrow[1] * KEY_TURN);
    else if (event.key === '+' || event.key === '=') this.camera.approach(target, KEY_ZOOM);
    else if (event.key === '-') this.camera.approach(target, 1 / KEY_ZOOM);
    else if (event.key === 'Home') this.camera.glideTo(this.camera.start);
    else return false;
    return true;
  }

  private press(event: PointerEvent): void {
    this.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.way = this.fingers.size === 1 ? 0 : Infinity;
    this.panning = event.button !== 0 || event.shiftKey || event.ctrlKey;
    const { x, y } = this.middle();
    this.pivot = this.grasp(x, y);
  }

  private move(event: PointerEvent): void {
    if (event.movementX || event.movementY) this.zoomPoint = null;
    const finger = this.fingers.get(event.pointerId);
    if (!finger || !this.pivot) return;
    const before = { ...this.middle(), spread: this.spread() };
    this.way += Math.hypot(event.clientX - finger.x, event.clientY - finger.y);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.way < CLICK_PIXELS) return;
    const after = { ...this.middle(), spread: this.spread() };
    const [right, down] = [after.x - before.x, after.y - before.y];
    if (this.fingers.size > 1) {
      if (after.spread > 0) this.camera.approach(this.pivot, before.spread / after.spread);
      this.camera.pan(right, down, this.camera.depthOf(this.pivot));
    } else if (this.panning) this.camera.pan(right, down, this.camera.depthOf(this.pivot));
    else this.camera.orbit(this.pivot, -right * TURN, -down * TURN);
  }

  private release(event: PointerEvent): void {
    const clicked = this.fingers.has(event.pointerId) && event.button === 0 && this.way < CLICK_PIXELS;
    this.forget(event);
    if (clicked) this.handlers.click(event.clientX, event.clientY);
  }

  private forget(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
    this.pivot = null;
    if (this.fingers.size === 0) return;
    const { x, y } = this.middle();
    this.pivot = this.grasp(x, y);
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PIXELS : 1);
    const share = Math.exp(pixels * (event.ctrlKey ? PINCH_ZOOM : WHEEL_ZOOM));
    this.zoomPoint ??= this.grasp(event.clientX, event.clientY);
    this.camera.approach(this.zoomPoint, Math.min(2, Math.max(0.5, share)));
  }

  private focus(event: MouseEvent): void {
    if (this.handlers.doubleClick()) return;
    const target = this.handlers.pick(event.clientX, event.clientY);
    if (target) this.camera.glideTo(focused(this.camera.pose, target));
  }

  /** What is under the pointer, or else what would be at the depth of what is looked at. */
  private grasp(x: number, y: number): Vector3 {
    const picked = this.handlers.pick(x, y);
    if (picked) this.camera.focusAt(picked);
    return picked ?? this.camera.pointAt(x, y);
  }

  private middle(): Finger {
    const fingers = [...this.fingers.values()];
    const mean = (of: (finger: Finger) => number): number =>
      fingers.reduce((sum, finger) => sum + of(finger), 0) / fingers.length;
    return { x: mean((finger) => finger.x), y: mean((finger) => finger.y) };
  }

  /** How far two fingers are apart. */
  private spread(): number {
    const [one, other] = this.fingers.values();
    return one && other ? Math.hypot(one.x - other.x, one.y - other.y) : 0;
  }
}

/** Look at the target as we look now, from nearer. */
function focused({ position, target }: Pose, to: Vector3): Pose {
  const back = position.clone().sub(target).normalize();
  return { position: to.clone().addScaledVector(back, position.distanceTo(to) * FOCUS_SHARE), target: to };
}
