// Shows the octree that lies beside the page.

import { WebGLRenderer } from 'three';
import { OrbitCamera } from './camera';
import { Cloud } from './cloud';
import { asFailure, Failure } from './failure';
import { fetchMetadata, fetchView } from './metadata';
import { Panel, showFailure, showLoading } from './panel';
import { fetchReport } from './report';
import { Requests } from './requests';
import { state } from './state';

// Beyond two a screen's pixels are too small to tell, and each costs time.
const MAX_PIXEL_RATIO = 2;

function fail(error: unknown): void {
  if (state.error) return;
  const failure = asFailure(error);
  console.error(error);
  state.error = failure.message;
  showFailure(failure);
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

async function start(): Promise<void> {
  showLoading(true);
  const canvas = document.getElementById('canvas') as HTMLCanvasElement;
  const metadataUrl = new URL('./metadata.json', location.href).href;
  const renderer = createRenderer(canvas);
  const [metadata, view] = await Promise.all([fetchMetadata(metadataUrl), fetchView('./view.json')]);
  const cloud = await Cloud.load(metadataUrl, new Requests(fail));
  const orbit = new OrbitCamera(canvas, metadata, view);
  const panel = new Panel(metadata, view.title || metadata.name || 'Point cloud', view.units);
  void fetchReport('./report.json').then((rows) => panel.report(rows));

  let scheduled = false;

  // Frames are drawn only while something changes: a phone's battery pays for the others.
  function draw(): void {
    scheduled = false;
    if (state.error) return;
    orbit.update();
    state.idle = cloud.update(orbit.camera, renderer);
    Object.assign(state, { points: cloud.points, nodes: cloud.nodes });
    renderer.render(cloud.scene, orbit.camera);
    state.ready = true;
    panel.show(state);
    showLoading(!state.idle);
    if (!state.idle) wake();
  }

  function wake(): void {
    if (scheduled) return;
    scheduled = true;
    state.idle = false;
    requestAnimationFrame(draw);
  }

  function apply(): void {
    Object.assign(cloud, panel.settings);
    wake();
  }

  function resize(): void {
    renderer.setSize(innerWidth, innerHeight, false);
    orbit.resize(innerWidth, innerHeight);
    wake();
  }

  orbit.controls.addEventListener('change', wake);
  panel.onChange(apply, () => orbit.reset());
  addEventListener('resize', resize);
  resize();
  orbit.reset();
  apply();
}

start().catch(fail);
