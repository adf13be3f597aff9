// The camera: where it starts, how it can be moved, and how near and far it sees.

import { type Box3, PerspectiveCamera, Quaternion, Sphere, Vector3 } from 'three';
import type { Metadata, View } from './metadata';

// Without a hint of a view, as surveyors have it: Z is up, and we look north from above.
const UP = new Vector3(0, 0, 1);
const EYE = new Vector3(-0.4, -0.8, 0.5).normalize();
// Vertical, in degrees; whoever writes a view.json reckons with it.
const FIELD_OF_VIEW = 60;
const FIT_MARGIN = 1.05;
// How near to straight up or down we may look, in radians: beyond, left and right would change places.
const STEEPEST = 0.01;
// How near and how far we may go, in radii of the cloud.
const NEAREST = 1e-4;
const FARTHEST = 30;
const GLIDE_MS = 350;

/** Where the eye is and what it looks at; how far off that is scales the steps of the keyboard. */
export interface Pose {
  position: Vector3;
  target: Vector3;
}

interface Glide {
  from: Pose;
  to: Pose;
  /** Set by its first frame. */
  start: number | null;
}

export class ViewCamera {
  readonly camera: PerspectiveCamera;
  readonly up: Vector3;
  private readonly bounds: Box3;
  private readonly sphere: Sphere;
  private target = new Vector3();
  private height = 1;
  private glide: Glide | null = null;

  /** @param moved Called after each change, so that a frame is drawn. */
  constructor(
    metadata: Metadata,
    private readonly view: View,
    private readonly moved: () => void,
  ) {
    this.bounds = metadata.bounds;
    this.sphere = metadata.bounds.getBoundingSphere(new Sphere());
    this.sphere.radius ||= 1;
    this.camera = new PerspectiveCamera(FIELD_OF_VIEW, 1);
    this.up = (view.up?.lengthSq() ? view.up : UP).clone().normalize();
    this.camera.up.copy(this.up);
  }

  get pose(): Pose {
    return { position: this.camera.position.clone(), target: this.target.clone() };
  }

  set pose({ position, target }: Pose) {
    this.glide = null;
    this.place(position, target);
  }

  get start(): Pose {
    const target = this.view.target ?? this.sphere.center;
    if (this.view.position && this.view.position.distanceToSquared(target) > 0) {
      // The view is meant for a screen that is at least as wide as it is high; in a narrower one we stand back.
      const back = Math.max(1, 1 / this.camera.aspect);
      return { position: this.view.position.clone().sub(target).multiplyScalar(back).add(target), target };
    }
    return { position: target.clone().addScaledVector(EYE, this.distanceToFit(target)), target };
  }

  /** Straight from above, north up, from as far as at the start. */
  get above(): Pose {
    const { position, target } = this.start;
    const flat = target.clone().sub(position).projectOnPlane(this.up).normalize();
    const distance = position.distanceTo(target);
    const side = (this.up.z > 0.99 ? new Vector3(0, 1, 0) : flat).multiplyScalar(-distance * Math.sin(STEEPEST));
    return { position: target.clone().addScaledVector(this.up, distance).add(side), target };
  }

  /** Move there in a moment; at once where the person prefers less motion. */
  glideTo(to: Pose): void {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      this.pose = to;
      return;
    }
    this.glide = { from: this.pose, to, start: null };
    this.moved();
  }

  /** Turn about the pivot, which stays where it is on the screen; angles in radians. */
  orbit(pivot: Vector3, yaw: number, pitch: number): void {
    const { position, target } = this.pose;
    const steepness = target.clone().sub(position).angleTo(this.up);
    const limited = Math.min(Math.PI - STEEPEST, Math.max(STEEPEST, steepness - pitch));
    const right = new Vector3().setFromMatrixColumn(this.camera.matrix, 0);
    const turn = new Quaternion()
      .setFromAxisAngle(this.up, yaw)
      .multiply(new Quaternion().setFromAxisAngle(right, steepness - limited));
    const about = (place: Vector3): Vector3 => place.sub(pivot).applyQuaternion(turn).add(pivot);
    this.pose = { position: about(position), target: about(target) };
  }

  /** Move across the line of sight, so that what is at `depth` moves by so many pixels to the right and down. */
  pan(right: number, down: number, depth: number): void {
    const step = (2 * depth * Math.tan((FIELD_OF_VIEW * Math.PI) / 360)) / this.height;
    const { matrix } = this.camera;
    const move = new Vector3()
      .setFromMatrixColumn(matrix, 0)
      .multiplyScalar(-right * step)
      .addScaledVector(new Vector3().setFromMatrixColumn(matrix, 1), down * step);
    const { position, target } = this.pose;
    this.pose = { position: position.add(move), target: target.add(move) };
  }

  /** Come nearer to a point, which stays where it is on the screen: what is left of the way is `share` of it. */
  approach(point: Vector3, share: number): void {
    const { position, target } = this.pose;
    const way = position.distanceTo(point);
    const { radius } = this.sphere;
    const left = Math.min(Math.max(way * share, radius * NEAREST), Math.max(way, radius * FARTHEST)) / way;
    const ahead = target.sub(position).multiplyScalar(left);
    position.sub(point).multiplyScalar(left).add(point);
    this.pose = { position, target: ahead.add(position) };
  }

  /** How far in front of the eye a point is. */
  depthOf(point: Vector3): number {
    return point.clone().sub(this.camera.position).dot(this.camera.getWorldDirection(new Vector3()));
  }

  /** Look no other way, but as if at a thing as far off as the point: the keyboard's steps follow. */
  focusAt(point: Vector3): void {
    const depth = this.depthOf(point);
    if (depth <= 0) return;
    this.target = this.camera.getWorldDirection(new Vector3()).multiplyScalar(depth).add(this.camera.position);
  }

  /** The point at the depth of what is looked at that is at this place on the screen, in CSS pixels. */
  pointAt(x: number, y: number): Vector3 {
    const place = new Vector3((2 * x) / (this.height * this.camera.aspect) - 1, 1 - (2 * y) / this.height, 0.5);
    const ray = place.unproject(this.camera).sub(this.camera.position);
    const depth = ray.dot(this.camera.getWorldDirection(new Vector3()));
    return ray.multiplyScalar(this.camera.position.distanceTo(this.target) / depth).add(this.camera.position);
  }

  /** Where a point is on the screen, in CSS pixels; null where it is behind the eye. */
  screenOf(point: Vector3): { x: number; y: number } | null {
    if (this.depthOf(point) <= 0) return null;
    const { x, y } = point.clone().project(this.camera);
    return { x: ((x + 1) / 2) * this.height * this.camera.aspect, y: ((1 - y) / 2) * this.height };
  }

  /** Things outside the cloud that must not be cut off either. */
  include(places: Vector3[]): void {
    for (const place of places) this.sphere.expandByPoint(place);
    this.place(this.camera.position.clone(), this.target);
  }

  resize(width: number, height: number): void {
    this.height = height;
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
  }

  /** Call before each frame. Returns whether the camera is on its way. */
  update(now: number): boolean {
    if (!this.glide) return false;
    const { from, to } = this.glide;
    this.glide.start ??= now;
    const part = Math.min(1, (now - this.glide.start) / GLIDE_MS);
    const eased = part * part * (3 - 2 * part);
    if (part === 1) this.glide = null;
    this.place(from.position.clone().lerp(to.position, eased), from.target.clone().lerp(to.target, eased));
    return this.glide !== null;
  }

  private place(position: Vector3, target: Vector3): void {
    this.camera.position.copy(position);
    this.target = target.clone();
    this.camera.lookAt(target);
    const toTarget = position.distanceTo(target);
    const toFarthest = position.distanceTo(this.sphere.center) + this.sphere.radius;
    this.camera.near = Math.max(toTarget / 200, toFarthest / 1e5);
    this.camera.far = Math.max(toFarthest, toTarget) * 1.01;
    this.camera.updateProjectionMatrix();
    this.camera.updateMatrixWorld();
    this.moved();
  }

  /** From how far in the direction of EYE the bounds just fill the frame. */
  private distanceToFit(target: Vector3): number {
    const right = this.up.clone().cross(EYE).normalize();
    const above = EYE.clone().cross(right);
    const tangent = Math.tan((FIELD_OF_VIEW * Math.PI) / 360);
    const distances = corners(this.bounds).map((corner) => {
      corner.sub(target);
      const width = Math.abs(corner.dot(right)) / (tangent * this.camera.aspect);
      const height = Math.abs(corner.dot(above)) / tangent;
      return corner.dot(EYE) + Math.max(width, height);
    });
    return FIT_MARGIN * Math.max(...distances, this.sphere.radius * 0.1);
  }
}

function corners({ min, max }: Box3): Vector3[] {
  return [min.x, max.x].flatMap((x) => [min.y, max.y].flatMap((y) => [min.z, max.z].map((z) => new Vector3(x, y, z))));
}
