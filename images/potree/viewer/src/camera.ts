// The camera: where it starts, how it is moved, and how near and far it sees.

import { PerspectiveCamera, Sphere, Vector3 } from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';
import type { Metadata, View } from './metadata';

// Without a hint of a view, as surveyors have it: Z is up, and we look north from above.
const UP = new Vector3(0, 0, 1);
const EYE = new Vector3(-0.4, -0.8, 0.5).normalize();
// Vertical, in degrees; whoever writes a view.json reckons with it.
const FIELD_OF_VIEW = 60;

export class OrbitCamera {
  readonly camera: PerspectiveCamera;
  readonly controls: OrbitControls;
  private readonly sphere: Sphere;

  constructor(
    canvas: HTMLCanvasElement,
    metadata: Metadata,
    private readonly view: View,
  ) {
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
      const halfAngle = (Math.min(FIELD_OF_VIEW, FIELD_OF_VIEW * this.camera.aspect) * Math.PI) / 360;
      this.camera.position.copy(target).addScaledVector(EYE, this.sphere.radius / Math.sin(halfAngle));
    }
    this.update();
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
