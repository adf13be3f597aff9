// Holds the parts together: what is chosen is drawn, and frames are drawn only while something changes, for a phone's
// battery pays for the others.

import { Box3, Box3Helper, type WebGLRenderer } from 'three';
import { AdaptiveBudget, type Drawing } from './budget';
import { ViewCamera } from './camera';
import { type Choices, Store } from './choices';
import type { Cloud } from './cloud';
import { Controls } from './controls';
import { element } from './dom';
import type { Download } from './downloads';
import { Keyboard } from './keyboard';
import { decode, encode } from './link';
import { Measuring } from './measuring';
import type { Metadata, View } from './metadata';
import { Navigation } from './navigation';
import { hideFailure, showLoading } from './notices';
import { Overlay } from './overlay';
import { Panel } from './panel';
import { PhotoPlaces } from './photo-places';
import { PHOTOS_FILE } from './photos';
import type { Report } from './report';
import { state } from './state';
import { Stopwatch } from './stopwatch';
import { Toolbar } from './toolbar';

const DESKTOP_BUDGET = 3_000_000;
const PHONE_BUDGET = 1_000_000;
// Dots are wider than the side of what each has of the screen by so much: else surfaces have holes.
const POINT_SHARE = 1.3;
const POINT_SIZES = { least: 2, most: 5, step: 0.5 };
// A movement that goes on within so long is one.
const LINGER_MS = 150;
const FLOAT_PICTURES = ['EXT_color_buffer_float', 'EXT_color_buffer_half_float'];
const BOX_COLOUR = 0x6cb6ff;

const STARTING_CHOICES: Choices = {
  pointSize: null,
  pointBudget: null,
  colouring: 'photos',
  shading: true,
  clip: null,
  photos: false,
  tool: null,
  draft: [],
  measurements: [],
};

interface Shown {
  cloud: Cloud;
  metadata: Metadata;
  view: View;
}

export class Viewer {
  private readonly cloud: Cloud;
  /** All that the cloud has. */
  private readonly points: number;
  private readonly store: Store;
  private readonly camera: ViewCamera;
  private readonly measuring: Measuring;
  private readonly overlay: Overlay;
  private readonly panel: Panel;
  private readonly controls: Controls;
  private readonly places: PhotoPlaces;
  private readonly budget: AdaptiveBudget;
  private readonly box = new Box3Helper(new Box3(), BOX_COLOUR);
  /** Shading keeps depths in the picture, for which bytes are too coarse. */
  private readonly canShade: boolean;
  /** Where the mouse went since the last frame. */
  private pointer: { x: number; y: number } | null = null;
  private scheduled = false;
  /** Whether what is on the screen is no longer what should be. */
  private stale = true;
  private movedAt = -Infinity;
  private readonly stopwatch: Stopwatch<Omit<Drawing, 'milliseconds'>>;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly renderer: WebGLRenderer,
    { cloud, metadata, view }: Shown,
    private readonly failed: (error: unknown) => void,
  ) {
    const phone = matchMedia('(pointer: coarse)').matches || innerWidth < 600;
    this.canShade = FLOAT_PICTURES.some((name) => renderer.extensions.has(name));
    this.cloud = cloud;
    this.cloud.scene.add(this.box);
    this.points = metadata.points;
    this.store = new Store(STARTING_CHOICES);
    this.camera = new ViewCamera(metadata, view, () => this.wake());
    this.measuring = new Measuring(this.store);
    this.overlay = new Overlay(this.camera, view.units);
    this.panel = new Panel(metadata, view, phone);
    this.controls = new Controls(this.store, this.measuring, this.camera.up, view.units);
    this.places = new PhotoPlaces(this.store, this.camera, cloud, () => this.renew());
    this.budget = new AdaptiveBudget(phone ? PHONE_BUDGET : DESKTOP_BUDGET);
    this.stopwatch = new Stopwatch(renderer.getContext() as WebGL2RenderingContext);
    element('shade').hidden = !this.canShade;
    this.listen();
    this.resize();
    this.openLink();
    this.store.follow((now) => this.apply(now));
  }

  /** Go on after a failure that has passed. */
  resume(): void {
    state.error = null;
    hideFailure();
    this.goOn();
  }

  tell({ rows, photos }: Report): void {
    this.panel.report(rows);
    this.places.figures = photos;
  }

  offer(downloads: Download[]): void {
    this.panel.downloads(downloads);
    this.places.offer(downloads.some(({ path }) => path === PHOTOS_FILE));
  }

  private listen(): void {
    const { camera, canvas, store } = this;
    const navigation = new Navigation(canvas, camera, {
      pick: (x, y) => this.cloud.pick(camera, x, y),
      click: (x, y) => this.click(x, y),
      doubleClick: () => this.doubleClick(),
    });
    const middle = (): void => this.click(innerWidth / 2, innerHeight / 2);
    new Keyboard(navigation, this.measuring, store, middle, () => this.places.close());
    new Toolbar(store, this.measuring, {
      reset: () => camera.glideTo(camera.start),
      above: () => camera.glideTo(camera.above),
      link: () => this.link(),
    });
    canvas.addEventListener('pointermove', (event) => this.hover(event));
    addEventListener('hashchange', () => this.openLink());
    addEventListener('resize', () => this.resize());
    // A page that is hidden gets no frames.
    document.addEventListener('visibilitychange', () => this.goOn());
  }

  private frame(now: number): void {
    const { budget, camera, cloud, renderer, stopwatch, store } = this;
    this.scheduled = false;
    if (state.error) return;
    this.judge(now);
    const gliding = camera.update(now);
    const settled = cloud.update(camera, renderer);
    if (cloud.core && !this.controls.ready) {
      this.controls.setCore(cloud.core);
      this.places.show();
    }
    const moving = gliding || now - this.movedAt < LINGER_MS;
    const probing = settled && store.now.pointBudget === null && budget.wants(cloud.points);
    const atRest = settled && !moving && !probing;
    const shaded = store.now.shading && this.canShade && (atRest || !budget.plain);
    this.stale ||= cloud.changed || probing || shaded !== state.shaded;
    // Points that come in while the picture before is drawn wait, so that a slow machine has time to unpack them.
    if (this.stale && (moving || !stopwatch.busy)) this.draw(shaded);
    state.idle = atRest && !this.stale && !stopwatch.busy && !this.scheduled;
    showLoading(!settled);
    if (!state.idle) this.schedule();
  }

  private draw(shaded: boolean): void {
    const { camera, cloud, renderer, stopwatch, store } = this;
    const began = performance.now();
    const { points, nodes, loading } = cloud;
    this.stale = false;
    this.markPoint();
    cloud.draw(camera, renderer, { shaded });
    stopwatch.drawn({ points, shaded, loading }, began);
    this.overlay.draw(store.now);
    Object.assign(state, { points, nodes, shaded, ready: true });
    this.panel.show(state);
  }

  /** Learn from the drawings that are done how many points may be drawn. */
  private judge(now: number): void {
    for (const { what, milliseconds } of this.stopwatch.done(now)) {
      state.drawings++;
      if (this.store.now.pointBudget !== null) continue;
      if (this.budget.judge({ ...what, milliseconds })) this.apply(this.store.now);
    }
  }

  /** Call where there were no frames for a while. */
  private goOn(): void {
    this.stopwatch.forget();
    this.renew();
  }

  /** What is on the screen has to be drawn anew. */
  private renew(): void {
    this.stale = true;
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    state.idle = false;
    requestAnimationFrame((now) => {
      try {
        this.frame(now);
      } catch (error) {
        this.failed(error);
      }
    });
  }

  private wake(): void {
    this.movedAt = performance.now();
    this.renew();
  }

  private apply(choices: Readonly<Choices>): void {
    state.budget = choices.pointBudget ?? this.budget.points;
    const pointSize = choices.pointSize ?? sizeOf(Math.min(this.points, state.budget));
    this.controls.showSize(pointSize);
    this.cloud.apply(choices, { pointBudget: state.budget, pointSize, pixelRatio: this.renderer.getPixelRatio() });
    this.box.visible = choices.clip !== null;
    if (choices.clip) this.box.box.copy(choices.clip);
    if (!choices.tool) this.overlay.hover = null;
    this.renew();
  }

  private resize(): void {
    this.renderer.setSize(innerWidth, innerHeight, false);
    this.camera.resize(innerWidth, innerHeight);
    this.apply(this.store.now);
    // The canvas is blank now.
    this.wake();
  }

  private click(x: number, y: number): void {
    if (!this.store.now.tool) {
      this.places.click(x, y);
      return;
    }
    const point = this.cloud.pick(this.camera, x, y);
    if (point) this.measuring.add(point);
  }

  /** With a tool in hand it ends an area, and is nothing more than its clicks else. */
  private doubleClick(): boolean {
    this.measuring.finish();
    return this.store.now.tool !== null;
  }

  private hover({ clientX, clientY, buttons, pointerType }: PointerEvent): void {
    if (!this.store.now.tool || buttons || pointerType !== 'mouse') return;
    this.pointer = { x: clientX, y: clientY };
    this.renew();
  }

  /** Mark the point that a click would take: once a frame, as a mouse may move more often. */
  private markPoint(): void {
    if (!this.pointer) return;
    this.overlay.hover = this.cloud.pick(this.camera, this.pointer.x, this.pointer.y);
    this.pointer = null;
  }

  private openLink(): void {
    const { pose, choices } = decode(location.hash);
    this.store.set(choices);
    this.camera.pose = pose ?? this.camera.start;
  }

  /** The address that shows the same again, which becomes the page's own. */
  private link(): string {
    history.replaceState(null, '', encode(this.camera.pose, this.store.now));
    return location.href;
  }
}

/** How large points are, in CSS pixels, where so many are drawn. */
function sizeOf(points: number): number {
  const { least, most, step } = POINT_SIZES;
  const size = POINT_SHARE * Math.sqrt((innerWidth * innerHeight) / points);
  return Math.min(most, Math.max(least, Math.round(size / step) * step));
}
