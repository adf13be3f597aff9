// The point cloud itself: potree-core, told what it does not choose well by itself.

import { Scene, type PerspectiveCamera, type WebGLRenderer } from 'three';
import { PointColorType, PointShape, PointSizeType, Potree, type PointCloudOctree } from 'potree-core';
import type { Requests } from './requests';

// ColorEncoding.SRGB, which potree-core does not export.
const SRGB = 1;
// Nodes whose sphere is smaller than this on the screen are left out; potree-core's 50 leaves distant parts coarse.
const MIN_NODE_PIXELS = 8;
const MAX_LOADING = 8;
// The picture has settled when nothing changed for so many frames.
const SETTLED_FRAMES = 5;

export class Cloud {
  readonly scene = new Scene();
  points = 0;
  nodes = 0;
  private stableFrames = 0;

  private constructor(
    private readonly potree: Potree,
    private readonly octree: PointCloudOctree,
  ) {
    const { material } = octree;
    material.pointSizeType = PointSizeType.FIXED;
    material.shape = PointShape.CIRCLE;
    material.pointColorType = PointColorType.RGB;
    // Photos are sRGB and so are the colours; potree-core's default turns them white.
    material.inputColorEncoding = SRGB;
    material.outputColorEncoding = SRGB;
    octree.minNodePixelSize = MIN_NODE_PIXELS;
    this.scene.add(octree);
  }

  static async load(url: string, requests: Requests): Promise<Cloud> {
    const potree = new Potree();
    potree.maxNumNodesLoading = MAX_LOADING;
    return new Cloud(potree, await potree.loadPointCloud(url, requests));
  }

  /** In CSS pixels. */
  set pointSize(pixels: number) {
    const scaled = pixels * window.devicePixelRatio;
    this.octree.material.size = scaled;
    this.octree.material.minSize = scaled;
    this.stableFrames = 0;
  }

  set pointBudget(points: number) {
    this.potree.pointBudget = points;
    this.stableFrames = 0;
  }

  /** Choose and load what this camera sees. Returns whether everything is there and has been for some frames. */
  update(camera: PerspectiveCamera, renderer: WebGLRenderer): boolean {
    const result = this.potree.updatePointClouds([this.octree], camera, renderer);
    const { visibleNodes } = this.octree;
    const points = visibleNodes.reduce(
      (sum, node) => sum + (node.sceneNode?.geometry.getAttribute('position')?.count ?? 0),
      0,
    );
    const loading = this.octree.pcoGeometry.numNodesLoading > 0 || result.exceededMaxLoadsToGPU;
    const settled = points > 0 && !loading && points === this.points && visibleNodes.length === this.nodes;
    this.points = points;
    this.nodes = visibleNodes.length;
    this.stableFrames = settled ? this.stableFrames + 1 : 0;
    return this.stableFrames >= SETTLED_FRAMES;
  }
}
