// The camera: where it starts, how it is moved, and how near and far it sees.

import { type Box3, PerspectiveCamera, Sphere, Vector3 } from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';
import type { Metadata, View } from './metadata';

// Without a hint of a view, as surveyors have it: Z is up, and we look north from above.
const UP = new Vector3(0, 0, 1);
const EYE = new Vector3(-0.4, -0.8, 0.5).normalize();
// Vertical, in degrees; whoever writes a view.json reckons with it.
const FIELD_OF_VIEW = 60;
const FIT_MARGIN = 1.05;

export class OrbitCamera {
  readonly camera: PerspectiveCamera;
  readonly controls: OrbitControls;
  private readonly bounds: Box3;
  private readonly sphere: Sphere;

  constructor(
    canvas: HTMLCanvasElement,
    metadata: Metadata,
    private readonly view: View,
  ) {
    this.bounds = metadata.bounds;
    this.sphere = metadata.bounds.getBoundingSphere(new Sphere());
    this.sphere.radius ||= 1;
    this.camera = new PerspectiveCamera(FIELD_OF_VIEW, 1);
    // OrbitControls reads the up direction once, when it is made.
    this.camera.up.copy(view.up?.lengthSq() ? view.up : UP).normalize();
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = true;
    this.controls.zoomToCursor = true;
  }

  reset(): void {
    const target = this.view.target ?? this.sphere.center;
    this.controls.target.copy(target);
    if (this.view.position && this.view.position.distanceToSquared(target) > 0) {
      // The view is meant for a screen that is at least as wide as it is high; in a narrower one we stand back.
      const back = Math.max(1, 1 / this.camera.aspect);
      this.camera.position.copy(this.view.position).sub(target).multiplyScalar(back).add(target);
    } else {
      this.camera.position.copy(target).addScaledVector(EYE, this.distanceToFit(target));
    }
    this.update();
  }

  /** From how far in the direction of EYE the bounds just fill the frame. */
  private distanceToFit(target: Vector3): number {
    const right = this.camera.up.clone().cross(EYE).normalize();
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

  resize(width: number, height: number): void {
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
  }

  /** Call before each frame: follows the controls and keeps the depth range around what can be seen. */
  update(): void {
    this.controls.update();
    const toTarget = this.camera.position.distanceTo(this.controls.target);
    const toFarthest = this.camera.position.distanceTo(this.sphere.center) + this.sphere.radius;
    this.camera.near = Math.max(toTarget / 200, toFarthest / 1e5);
    this.camera.far = Math.max(toFarthest, toTarget) * 1.01;
    this.camera.updateProjectionMatrix();
    this.camera.updateMatrixWorld();
  }
}

function corners({ min, max }: Box3): Vector3[] {
  return [min.x, max.x].flatMap((x) => [min.y, max.y].flatMap((y) => [min.z, max.z].map((z) => new Vector3(x, y, z))));
}
