// Holds the parts together: what is chosen is drawn, and frames are drawn only while something changes, for a phone's
// battery pays for the others.

import { Box3, Box3Helper, type WebGLRenderer } from 'three';
import { AdaptiveBudget } from './budget';
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
import { Toolbar } from './toolbar';

const DESKTOP_BUDGET = 3_000_000;
const PHONE_BUDGET = 1_000_000;
// The fewer points a cloud has, the larger its dots must be to be seen as a surface.
const POINT_SIZES = [
  { fewerThan: 20_000, size: 5 },
  { fewerThan: 100_000, size: 4 },
  { fewerThan: 1_000_000, size: 3 },
  { fewerThan: Infinity, size: 2 },
];
// After a movement frames follow each other for so long: only then their times tell how fast drawing is.
const LINGER_MS = 150;
const FLOAT_PICTURES = ['EXT_color_buffer_float', 'EXT_color_buffer_half_float'];
const BOX_COLOUR = 0x6cb6ff;

interface Shown {
  cloud: Cloud;
  metadata: Metadata;
  view: View;
}

export class Viewer {
  private readonly cloud: Cloud;
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
  /** Whether one frame follows the other. */
  private running = false;
  private movedAt = -Infinity;

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
    this.store = new Store(startingChoices(metadata));
    this.camera = new ViewCamera(metadata, view, () => this.wake());
    this.measuring = new Measuring(this.store);
    this.overlay = new Overlay(this.camera, view.units);
    this.panel = new Panel(metadata, view, phone);
    this.controls = new Controls(this.store, this.measuring, this.camera.up, view.units);
    this.places = new PhotoPlaces(this.store, this.camera, cloud, () => this.schedule());
    this.budget = new AdaptiveBudget(phone ? PHONE_BUDGET : DESKTOP_BUDGET);
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
    this.schedule();
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
  }

  private draw(now: number): void {
    const { camera, cloud, renderer, store } = this;
    this.scheduled = false;
    if (state.error) return;
    const gliding = camera.update(now);
    const settled = cloud.update(camera, renderer);
    if (cloud.core && !this.controls.ready) {
      this.controls.setCore(cloud.core);
      this.places.show();
    }
    const moving = now - this.movedAt < LINGER_MS;
    const tells = moving && this.running && !cloud.loading && store.now.pointBudget === null;
    if (this.budget.frame(now, tells)) this.apply(store.now);
    this.markPoint();
    cloud.draw(camera, renderer);
    this.overlay.draw(store.now);
    state.idle = settled && !gliding && !moving && !this.scheduled;
    Object.assign(state, { points: cloud.points, nodes: cloud.nodes, ready: true });
    this.panel.show(state);
    showLoading(!settled);
    this.running = !state.idle;
    if (this.running) this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    state.idle = false;
    requestAnimationFrame((now) => {
      try {
        this.draw(now);
      } catch (error) {
        this.failed(error);
      }
    });
  }

  private wake(): void {
    this.movedAt = performance.now();
    this.schedule();
  }

  private apply(choices: Readonly<Choices>): void {
    state.budget = choices.pointBudget ?? this.budget.points;
    const shading = choices.shading && this.canShade;
    this.cloud.apply({ ...choices, shading }, state.budget, this.renderer.getPixelRatio());
    this.box.visible = choices.clip !== null;
    if (choices.clip) this.box.box.copy(choices.clip);
    if (!choices.tool) this.overlay.hover = null;
    this.schedule();
  }

  private resize(): void {
    this.renderer.setSize(innerWidth, innerHeight, false);
    this.camera.resize(innerWidth, innerHeight);
    this.schedule();
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
    this.schedule();
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

function startingChoices({ points }: Metadata): Choices {
  return {
    pointSize: POINT_SIZES.find(({ fewerThan }) => points < fewerThan)?.size ?? 2,
    pointBudget: null,
    colouring: 'photos',
    shading: true,
    clip: null,
    photos: false,
    tool: null,
    draft: [],
    measurements: [],
  };
}
