// Shows the octree that lies beside the page.

import { Box3, Box3Helper, WebGLRenderer } from 'three';
import { AdaptiveBudget } from './budget';
import { ViewCamera } from './camera';
import { type Choices, Store } from './choices';
import { Cloud } from './cloud';
import { Controls } from './controls';
import { element } from './dom';
import { fetchDownloads } from './downloads';
import { asFailure, Failure } from './failure';
import { Keyboard } from './keyboard';
import { decode, encode } from './link';
import { Measuring } from './measuring';
import { fetchMetadata, fetchView, type Metadata } from './metadata';
import { Navigation } from './navigation';
import { hideFailure, showFailure, showLoading } from './notices';
import { Overlay } from './overlay';
import { Panel } from './panel';
import { PhotoPlaces } from './photo-places';
import { fetchReport } from './report';
import { Requests } from './requests';
import { state } from './state';
import { Toolbar } from './toolbar';

// Beyond two a screen's pixels are too small to tell, and each costs time.
const MAX_PIXEL_RATIO = 2;
const DESKTOP_BUDGET = 3_000_000;
const PHONE_BUDGET = 1_000_000;
// The fewer points a cloud has, the larger its dots must be to be seen as a surface.
const POINT_SIZES = [
  { fewerThan: 20_000, size: 5 },
  { fewerThan: 100_000, size: 4 },
  { fewerThan: 1_000_000, size: 3 },
  { fewerThan: Infinity, size: 2 },
];

function fail(error: unknown, again: (() => void) | null = null): void {
  if (state.error) return;
  const failure = asFailure(error);
  console.error(error);
  state.error = failure.message;
  showFailure(failure, failure.passing ? again : null);
}

function createRenderer(canvas: HTMLCanvasElement): WebGLRenderer {
  try {
    const renderer = new WebGLRenderer({ canvas, alpha: true, powerPreference: 'high-performance' });
    renderer.setPixelRatio(Math.min(devicePixelRatio, MAX_PIXEL_RATIO));
    return renderer;
  } catch {
    throw new Failure(
      'This browser cannot draw in 3D.',
      'Switch on hardware acceleration in its settings, or open the page in another browser: it needs WebGL 2.',
    );
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

async function start(): Promise<void> {
  showLoading(true);
  const canvas = element('canvas', HTMLCanvasElement);
  const metadataUrl = new URL('./metadata.json', location.href).href;
  const renderer = createRenderer(canvas);
  const [metadata, view] = await Promise.all([fetchMetadata(metadataUrl), fetchView('./view.json')]);
  const cloud = await Cloud.load(metadataUrl, new Requests((failure) => fail(failure, resume)), view.core);
  const phone = matchMedia('(pointer: coarse)').matches || innerWidth < 600;
  const store = new Store(startingChoices(metadata));
  const camera = new ViewCamera(metadata, view, wake);
  const measuring = new Measuring(store);
  const overlay = new Overlay(camera, view.units);
  const panel = new Panel(metadata, view, phone);
  const budget = new AdaptiveBudget(phone ? PHONE_BUDGET : DESKTOP_BUDGET);
  const places = new PhotoPlaces(store, camera, cloud, () => schedule());
  const box = new Box3Helper(new Box3(), 0x6cb6ff);
  let scheduled = false;
  let moved = false;

  // Frames are drawn only while something changes: a phone's battery pays for the others.
  function draw(now: number): void {
    scheduled = false;
    if (state.error) return;
    const gliding = camera.update(now);
    const settled = cloud.update(camera, renderer);
    if (cloud.core && !controls.ready) {
      controls.setCore(cloud.core);
      places.show();
    }
    if (budget.frame(now, moved && !cloud.loading)) apply(store.now);
    moved = false;
    cloud.draw(camera, renderer);
    overlay.draw(store.now);
    state.idle = settled && !gliding && !scheduled;
    Object.assign(state, { points: cloud.points, nodes: cloud.nodes, ready: true });
    panel.show(state);
    showLoading(!settled);
    if (!state.idle) schedule();
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    state.idle = false;
    requestAnimationFrame(draw);
  }

  function wake(): void {
    moved = true;
    schedule();
  }

  function resume(): void {
    state.error = null;
    hideFailure();
    schedule();
  }

  function apply(choices: Readonly<Choices>): void {
    state.budget = choices.pointBudget ?? budget.points;
    cloud.apply(choices, state.budget, renderer.getPixelRatio());
    box.visible = choices.clip !== null;
    box.box.copy(choices.clip ?? box.box);
    if (!choices.tool) overlay.hover = null;
    schedule();
  }

  function resize(): void {
    renderer.setSize(innerWidth, innerHeight, false);
    camera.resize(innerWidth, innerHeight);
    schedule();
  }

  function click(x: number, y: number): void {
    if (!store.now.tool) {
      places.click(x, y);
      return;
    }
    const point = cloud.pick(camera, x, y);
    if (point) measuring.add(point);
  }

  function openLink(): void {
    const { pose, choices } = decode(location.hash);
    store.set(choices);
    camera.pose = pose ?? camera.start;
  }

  function link(): string {
    const fragment = encode(camera.pose, store.now);
    history.replaceState(null, '', fragment);
    return location.href;
  }

  cloud.scene.add(box);
  const controls = new Controls(store, measuring, camera.up, view.units);
  const navigation = new Navigation(canvas, camera, {
    pick: (x, y) => cloud.pick(camera, x, y),
    click,
    clicksCount: () => store.now.tool !== null,
  });
  new Keyboard(navigation, measuring, store, () => click(innerWidth / 2, innerHeight / 2));
  new Toolbar(store, measuring, { reset: () => camera.glideTo(camera.start), above: () => camera.glideTo(camera.above), link });
  canvas.addEventListener('pointermove', ({ clientX, clientY, buttons, pointerType }) => {
    if (!store.now.tool || buttons || pointerType !== 'mouse') return;
    overlay.hover = cloud.pick(camera, clientX, clientY);
    schedule();
  });
  canvas.addEventListener('webglcontextlost', () => {
    fail(new Failure('The browser took the graphics card away from the page.', 'Reload the page.'));
  });
  addEventListener('online', () => {
    if (state.error && !element('error').hidden) element('reload').click();
  });
  addEventListener('hashchange', openLink);
  addEventListener('resize', resize);
  resize();
  openLink();
  store.follow(apply);
  await Promise.all([
    fetchReport('./report.json').then(({ rows, photos }) => {
      panel.report(rows);
      places.figures = photos;
    }),
    fetchDownloads('./outputs.json').then((files) => {
      panel.downloads(files);
      places.offer(files.some(({ path }) => path === 'transforms.json'));
    }),
  ]);
}

start().catch((error) => fail(error, () => location.reload()));
