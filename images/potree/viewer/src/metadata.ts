// The two documents beside the page: the octree's metadata.json and, where it is given, view.json.

import { Box3, Vector3 } from 'three';
import { Failure } from './failure';
import { fetchJson } from './requests';

export interface Metadata {
  name: string;
  points: number;
  encoding: string;
  /** The bounds of the points themselves; the octree's own box is a cube around them. */
  bounds: Box3;
}

/** Where to look from at first, in the coordinates of the points. */
export interface View {
  title?: string;
  up?: Vector3;
  position?: Vector3;
  target?: Vector3;
  /** Where most of the points are: the bounds are those of the farthest outliers. */
  core?: Box3;
  /** What a length of 1 is; from photos alone it is not known. */
  units?: 'metres' | 'arbitrary';
}

export async function fetchMetadata(url: string): Promise<Metadata> {
  const document = asObject(await fetchJson(url, { optional: false }));
  const attributes = Array.isArray(document['attributes']) ? document['attributes'].map(asObject) : [];
  const position = attributes.find((attribute) => attribute['name'] === 'position');
  const min = asVector(position?.['min']);
  const max = asVector(position?.['max']);
  if (document['version'] !== '2.0' || !min || !max) {
    throw new Failure('metadata.json is not one of a Potree 2.0 octree.', 'Run the conversion again.');
  }
  return {
    name: String(document['name'] ?? ''),
    points: Number(document['points']),
    encoding: String(document['encoding']),
    bounds: new Box3(min, max),
  };
}

export async function fetchView(url: string): Promise<View> {
  const document = asObject(await fetchJson(url, { optional: true }));
  const view: View = {};
  if (typeof document['title'] === 'string') view.title = document['title'];
  for (const key of ['up', 'position', 'target'] as const) {
    const vector = asVector(document[key]);
    if (vector) view[key] = vector;
  }
  const core = asObject(document['core']);
  const [min, max] = [asVector(core['min']), asVector(core['max'])];
  if (min && max) view.core = new Box3(min, max);
  if (document['units'] === 'metres' || document['units'] === 'arbitrary') view.units = document['units'];
  return view;
}

export function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function asVector(value: unknown): Vector3 | undefined {
  if (!Array.isArray(value) || value.length !== 3 || !value.every(Number.isFinite)) return undefined;
  const [x, y, z] = value as [number, number, number];
  return new Vector3(x, y, z);
}
