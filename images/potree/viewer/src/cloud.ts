// The point cloud itself: potree-core, told what it does not choose well by itself.

import { Box3, Scene, Vector3, type BufferAttribute, type WebGLRenderer } from 'three';
import {
  ClipMode,
  createClipBox,
  PointColorType,
  PointShape,
  PointSizeType,
  Potree,
  PotreeRenderer,
  type PointCloudOctree,
} from 'potree-core';
import type { ViewCamera } from './camera';
import type { Choices } from './choices';
import { watchDecoders } from './decoders';
import type { Failure } from './failure';
import { CloudMaterial } from './material';
import { pickPoint } from './pick';
import { rampTexture } from './ramp';
import type { Requests } from './requests';

// ColorEncoding.SRGB, which potree-core does not export.
const SRGB = 1;
// Nodes whose sphere is smaller than this on the screen are left out; potree-core's 50 leaves distant parts coarse.
const MIN_NODE_PIXELS = 8;
const MAX_LOADING = 8;
// The picture has settled when nothing changed for so many frames.
const SETTLED_FRAMES = 5;
// How far from the pointer a point may be to be meant, in CSS pixels.
const REACH = 14;
// What is left out at each end where outliers must not count.
const OUTLYING = 0.01;
const SHADING = { strength: 0.25, radius: 1.4 };

interface Options {
  /** Where most points are; else the coarsest of them tell, once these are loaded. */
  core: Box3 | undefined;
  /** Called where points cannot be unpacked. */
  failed: (failure: Failure) => void;
}

interface Dots {
  /** How many at most. */
  pointBudget: number;
  /** In CSS pixels. */
  pointSize: number;
  pixelRatio: number;
}

export class Cloud {
  readonly scene = new Scene();
  points = 0;
  nodes = 0;
  loading = false;
  /** Whether the last update brought or took away points. */
  changed = false;
  /** Where most points are; null until that is known. */
  core: Box3 | null = null;
  private readonly material = new CloudMaterial();
  private readonly drawing = new PotreeRenderer();
  private clip: Box3 | null = null;
  private pointSize = 1;
  private stableFrames = 0;

  private constructor(
    private readonly potree: Potree,
    private readonly octree: PointCloudOctree,
    core: Box3 | undefined,
  ) {
    const { material } = this;
    octree.material = material;
    material.pointSizeType = PointSizeType.FIXED;
    material.shape = PointShape.CIRCLE;
    material.setUniform('gradient', rampTexture());
    // Photos are sRGB and so are the colours; potree-core's default turns them white.
    material.inputColorEncoding = SRGB;
    material.outputColorEncoding = SRGB;
    octree.minNodePixelSize = MIN_NODE_PIXELS;
    this.scene.add(octree);
    if (core) this.setCore(core);
  }

  static async load(url: string, requests: Requests, { core, failed }: Options): Promise<Cloud> {
    const potree = new Potree();
    potree.maxNumNodesLoading = MAX_LOADING;
    const octree = await potree.loadPointCloud(url, requests);
    watchDecoders(octree, failed);
    return new Cloud(potree, octree, core);
  }

  apply({ colouring, clip }: Choices, { pointBudget, pointSize, pixelRatio }: Dots): void {
    const { material } = this;
    this.pointSize = pointSize;
    this.clip = clip;
    material.size = material.minSize = pointSize * pixelRatio;
    material.pointColorType = colouring === 'elevation' ? PointColorType.ELEVATION : PointColorType.RGB;
    material.clipMode = clip ? ClipMode.CLIP_OUTSIDE : ClipMode.DISABLED;
    material.setClipBoxes(clip ? [createClipBox(clip.getSize(new Vector3()), clip.getCenter(new Vector3()))] : []);
    this.potree.pointBudget = pointBudget;
    this.stableFrames = 0;
  }

  /** Choose and load what this camera sees. Returns whether everything is there and has been for some frames. */
  update({ camera }: ViewCamera, renderer: WebGLRenderer): boolean {
    const result = this.potree.updatePointClouds([this.octree], camera, renderer);
    const { visibleNodes } = this.octree;
    const points = visibleNodes.reduce(
      (sum, node) => sum + (node.sceneNode?.geometry.getAttribute('position')?.count ?? 0),
      0,
    );
    this.loading = this.octree.pcoGeometry.numNodesLoading > 0 || result.exceededMaxLoadsToGPU;
    // A box may leave nothing to see, and then nothing more comes.
    const some = points > 0 || this.clip !== null;
    this.changed = points !== this.points || visibleNodes.length !== this.nodes;
    const settled = some && !this.loading && !this.changed;
    this.points = points;
    this.nodes = visibleNodes.length;
    this.stableFrames = settled ? this.stableFrames + 1 : 0;
    if (!this.core) this.findCore();
    return this.stableFrames >= SETTLED_FRAMES;
  }

  draw({ camera }: ViewCamera, renderer: WebGLRenderer, { shaded }: { shaded: boolean }): void {
    this.drawing.setEDL({ enabled: shaded, ...SHADING });
    this.drawing.render({ renderer, scene: this.scene, camera, pointClouds: [this.octree] });
  }

  /** The point at a place on the screen, in CSS pixels, where one is near. */
  pick({ camera }: ViewCamera, x: number, y: number, reach = REACH): Vector3 | null {
    const aim = { x, y, width: innerWidth, height: innerHeight, dot: this.pointSize / 2, reach };
    return pickPoint(this.octree, camera, aim, this.clip);
  }

  private setCore(core: Box3): void {
    this.core = core;
    const { min, max } = core;
    // A level plane has one elevation, and that is a colour too.
    this.material.elevationRange = [min.z, max.z > min.z ? max.z : min.z + 1];
  }

  private findCore(): void {
    const root = this.octree.visibleNodes.find(({ level }) => level === 0)?.sceneNode;
    const attribute = root?.geometry?.getAttribute('position') as BufferAttribute | undefined;
    if (!root || !attribute?.count) return;
    const point = new Vector3();
    const places = Array.from({ length: attribute.count }, (_, index) =>
      point.fromBufferAttribute(attribute, index).applyMatrix4(root.matrixWorld).toArray(),
    );
    const ends = ([0, 1, 2] as const).map((axis) => endsOf(places.map((place) => place[axis])));
    this.setCore(new Box3(new Vector3(...ends.map(([least]) => least)), new Vector3(...ends.map(([, most]) => most))));
  }
}

function endsOf(values: number[]): [number, number] {
  values.sort((a, b) => a - b);
  const out = Math.floor(values.length * OUTLYING);
  return [values[out] as number, values[values.length - 1 - out] as number];
}
