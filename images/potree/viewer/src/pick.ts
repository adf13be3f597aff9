// Finds the point of the cloud that is under a place on the screen: the frontmost whose dot covers it, else the
// nearest to it. Reckoned here and not drawn on the graphics card, so it is exact and knows no limit of nodes.

import { Matrix4, Sphere, Vector3, Vector4, type Box3, type BufferAttribute, type PerspectiveCamera } from 'three';
import type { PointCloudOctree, PointCloudOctreeNode } from 'potree-core';

export interface Aim {
  /** On the screen, in CSS pixels from its upper left corner. */
  x: number;
  y: number;
  width: number;
  height: number;
  /** Radius of a point's dot, and how far from the place a point may be, both in CSS pixels. */
  dot: number;
  reach: number;
}

interface Best {
  covering: number;
  near: number;
  point: Vector3 | null;
}

export function pickPoint(
  octree: PointCloudOctree,
  camera: PerspectiveCamera,
  aim: Aim,
  clip: Box3 | null,
): Vector3 | null {
  const view = new Matrix4().multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse);
  const best: Best = { covering: Infinity, near: aim.reach ** 2, point: null };
  for (const node of octree.visibleNodes) {
    if (touches(node, octree, camera, view, aim)) search(node, view, aim, clip, best);
  }
  return best.point;
}

/** Whether any point of the node can be near the place on the screen. */
function touches(
  node: PointCloudOctreeNode,
  octree: PointCloudOctree,
  camera: PerspectiveCamera,
  view: Matrix4,
  aim: Aim,
): boolean {
  const sphere = new Sphere().copy(node.boundingSphere).applyMatrix4(octree.matrixWorld);
  const { x, y, w } = new Vector4(...sphere.center.toArray(), 1).applyMatrix4(view);
  const depth = w - sphere.radius;
  if (depth <= camera.near) return w + sphere.radius > 0;
  const pixels = aim.height / (2 * Math.tan((camera.fov * Math.PI) / 360));
  const away = Math.hypot(((x / w + 1) / 2) * aim.width - aim.x, ((1 - y / w) / 2) * aim.height - aim.y);
  // A sphere off the axis looks a little larger than its radius over its depth: twice that is never too little.
  return away <= aim.reach + (2 * sphere.radius * pixels) / depth;
}

function search(node: PointCloudOctreeNode, view: Matrix4, aim: Aim, clip: Box3 | null, best: Best): void {
  const { geometry, matrixWorld } = node.sceneNode;
  const attribute = geometry?.getAttribute('position') as BufferAttribute | undefined;
  if (!attribute) return;
  const places = attribute.array;
  const m = new Matrix4().multiplyMatrices(view, matrixWorld).elements;
  const centreX = (2 * aim.x) / aim.width - 1;
  const centreY = 1 - (2 * aim.y) / aim.height;
  const dot = aim.dot ** 2;
  const point = new Vector3();
  for (let i = 0; i < places.length; i += 3) {
    const x = places[i] as number;
    const y = places[i + 1] as number;
    const z = places[i + 2] as number;
    const depth = m[3] * x + m[7] * y + m[11] * z + m[15];
    if (depth <= 0) continue;
    const right = (((m[0] * x + m[4] * y + m[8] * z + m[12]) / depth - centreX) * aim.width) / 2;
    const above = (((m[1] * x + m[5] * y + m[9] * z + m[13]) / depth - centreY) * aim.height) / 2;
    const away = right * right + above * above;
    const covers = away <= dot;
    if (covers ? depth >= best.covering : best.covering < Infinity || away >= best.near) continue;
    point.set(x, y, z).applyMatrix4(matrixWorld);
    if (clip && !clip.containsPoint(point)) continue;
    if (covers) best.covering = depth;
    else best.near = away;
    best.point = point.clone();
  }
}
