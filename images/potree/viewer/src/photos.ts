// The places from which the photos were taken, as transforms.json beside the page tells them, drawn as frustums.

import {
  BufferGeometry,
  Float32BufferAttribute,
  Group,
  LineBasicMaterial,
  LineSegments,
  Matrix4,
  Vector3,
} from 'three';
import type { Pose, ViewCamera } from './camera';
import { asObject } from './metadata';
import { fetchJson } from './requests';

export const PHOTOS_FILE = 'transforms.json';
const FOLDER = 'images/';
const REACH = 18;
const COLOUR = 0xffb454;
const CHOSEN = 0xffffff;

export interface Photo {
  name: string;
  /** From the camera's axes (x right, y up, z backwards) to the cloud's. */
  matrix: Matrix4;
  /** Of the image's corners, on the plane at distance 1. */
  corners: [x: number, y: number][];
}

export async function fetchPhotos(url: string): Promise<Photo[]> {
  const document = asObject(await fetchJson(url, { optional: false }));
  const frames = Array.isArray(document['frames']) ? document['frames'].map(asObject) : [];
  return frames.map(photoOf).filter((photo) => photo !== null);
}

function photoOf(frame: Record<string, unknown>): Photo | null {
  const rows = frame['transform_matrix'];
  const values = Array.isArray(rows) ? rows.flat().map(Number) : [];
  const right = Number(frame['w']) / Number(frame['fl_x']) / 2;
  const top = Number(frame['h']) / Number(frame['fl_y']) / 2;
  if (values.length !== 16 || ![...values, right, top].every(Number.isFinite)) return null;
  return {
    name: String(frame['file_path']).replace(FOLDER, ''),
    matrix: new Matrix4().fromArray(values).transpose(),
    corners: [
      [-right, top],
      [right, top],
      [right, -top],
      [-right, -top],
    ],
  };
}

export class Frustums {
  readonly group = new Group();
  private readonly all: LineSegments;
  private chosen: LineSegments | null = null;

  /** @param size How far from the camera a frustum ends, in the cloud's unit. */
  constructor(
    readonly photos: readonly Photo[],
    private readonly size: number,
  ) {
    this.all = this.draw(photos, COLOUR);
    this.group.add(this.all);
  }

  get places(): Vector3[] {
    return this.photos.flatMap((photo) => [placeOf(photo), ahead(photo, this.size)]);
  }

  /** The photo whose frustum is near a place on the screen, in CSS pixels. */
  at(camera: ViewCamera, x: number, y: number): Photo | null {
    let best: { photo: Photo | null; away: number } = { photo: null, away: REACH };
    for (const photo of this.photos) {
      for (const point of [placeOf(photo), ahead(photo, this.size / 2), ahead(photo, this.size)]) {
        const place = camera.screenOf(point);
        const away = place ? Math.hypot(place.x - x, place.y - y) : Infinity;
        if (away < best.away) best = { photo, away };
      }
    }
    return best.photo;
  }

  choose(photo: Photo | null): void {
    if (this.chosen) {
      this.group.remove(this.chosen);
      this.chosen.geometry.dispose();
    }
    this.chosen = photo && this.draw([photo], CHOSEN);
    if (this.chosen) this.group.add(this.chosen);
  }

  private draw(photos: readonly Photo[], color: number): LineSegments {
    // From the first camera, because 32 bits are too few for coordinates of a map.
    const origin = photos[0] ? placeOf(photos[0]) : new Vector3();
    const ends = photos.flatMap((photo) => edgesOf(photo, this.size).flatMap((end) => end.sub(origin).toArray()));
    const geometry = new BufferGeometry().setAttribute('position', new Float32BufferAttribute(ends, 3));
    const lines = new LineSegments(geometry, new LineBasicMaterial({ color }));
    lines.position.copy(origin);
    return lines;
  }
}

/** Look as the photo does, at what is as far off as `centre`. */
export function poseOf(photo: Photo, centre: Vector3): Pose {
  const position = placeOf(photo);
  const forward = ahead(photo, 1).sub(position);
  const distance = Math.max(centre.clone().sub(position).dot(forward), position.distanceTo(centre) / 10);
  return { position, target: forward.multiplyScalar(distance).add(position) };
}

function placeOf({ matrix }: Photo): Vector3 {
  return new Vector3().setFromMatrixPosition(matrix);
}

function ahead({ matrix }: Photo, distance: number): Vector3 {
  return new Vector3(0, 0, -distance).applyMatrix4(matrix);
}

/** Ends of the lines: from the camera to the image's corners, around the image, and a roof that tells up. */
function edgesOf({ matrix, corners }: Photo, size: number): Vector3[] {
  const place = (x: number, y: number): Vector3 => new Vector3(x, y, -1).multiplyScalar(size).applyMatrix4(matrix);
  const image = corners.map(([x, y]) => place(x, y));
  const [left, right] = image as [Vector3, Vector3];
  const roof = place(0, (corners[0]?.[1] ?? 0) * 1.4);
  const eye = new Vector3().setFromMatrixPosition(matrix);
  const around = image.flatMap((corner, index) => [corner, image[(index + 1) % 4] as Vector3]);
  const rays = image.flatMap((corner) => [eye, corner]);
  return [...rays, ...around, left, roof, roof, right].map((end) => end.clone());
}
