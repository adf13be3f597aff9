// Shows the octree that lies beside the page: loads what tells of it, and says so where that fails.

import { WebGLRenderer } from 'three';
import { Cloud } from './cloud';
import { element } from './dom';
import { fetchDownloads } from './downloads';
import { asFailure, Failure } from './failure';
import { fetchMetadata, fetchView } from './metadata';
import { showFailure, showLoading } from './notices';
import { fetchReport } from './report';
import { Requests } from './requests';
import { state } from './state';
import { Viewer } from './viewer';

// Beyond two a screen's pixels are too small to tell, and each costs time.
const MAX_PIXEL_RATIO = 2;

/** @param again How to go on where what failed may work now. */
function fail(error: unknown, again: () => void): void {
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

async function start(): Promise<void> {
  showLoading(true);
  const canvas = element('canvas', HTMLCanvasElement);
  const renderer = createRenderer(canvas);
  const url = new URL('./metadata.json', location.href).href;
  const [metadata, view] = await Promise.all([fetchMetadata(url), fetchView('./view.json')]);
  let viewer: Viewer | null = null;
  const failed = (failure: unknown): void => fail(failure, () => viewer?.resume());
  const cloud = await Cloud.load(url, new Requests(failed), { core: view.core, failed });
  viewer = new Viewer(canvas, renderer, { cloud, metadata, view }, failed);
  canvas.addEventListener('webglcontextlost', () => {
    failed(new Failure('The browser took the graphics card away from the page.', 'Reload the page.'));
  });
  // The cloud can be looked at without either.
  const beside = [fetchReport('./report.json'), fetchDownloads('./outputs.json')] as const;
  const [report, downloads] = await Promise.allSettled(beside);
  if (report.status === 'fulfilled') viewer.tell(report.value);
  if (downloads.status === 'fulfilled') viewer.offer(downloads.value);
}

addEventListener('online', () => {
  if (state.error && !element('error').hidden) element('reload').click();
});
start().catch((error) => fail(error, () => location.reload()));
