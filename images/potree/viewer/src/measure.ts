// What can be measured between points, and in which words it is told.

import { Vector3 } from 'three';
import type { View } from './metadata';

export type Kind = 'distance' | 'height' | 'area' | 'angle';

export interface Measurement {
  kind: Kind;
  points: readonly Vector3[];
}

interface Tool {
  name: string;
  /** How many points it takes; an area takes them until the person is done. */
  least: number;
  most: number;
  hint: string;
}

export const TOOLS: Record<Kind, Tool> = {
  distance: { name: 'Distance', least: 2, most: 2, hint: 'Click two points.' },
  height: { name: 'Height', least: 2, most: 2, hint: 'Click two points; only what is vertical between them counts.' },
  area: { name: 'Area', least: 3, most: Infinity, hint: 'Click the corners one after the other, then Done.' },
  angle: { name: 'Angle', least: 3, most: 3, hint: 'Click three points; the angle is the one at the second.' },
};

export function isKind(text: string): text is Kind {
  return text in TOOLS;
}

/** The value in units of length, of area, or in degrees. */
export function valueOf({ kind, points }: Measurement, up: Vector3): number {
  const [a, b, c] = points as [Vector3, Vector3, Vector3];
  if (kind === 'distance') return a.distanceTo(b);
  if (kind === 'height') return Math.abs(b.clone().sub(a).dot(up));
  if (kind === 'angle') return (a.clone().sub(b).angleTo(c.clone().sub(b)) * 180) / Math.PI;
  return areaOf(points);
}

/** Of the polygon as seen along its own normal: where its corners are not in one plane, that of their best one. */
function areaOf(points: readonly Vector3[]): number {
  const sum = new Vector3();
  const first = points[0] as Vector3;
  for (const [index, point] of points.entries()) {
    const next = points[(index + 1) % points.length] as Vector3;
    // From the first corner, because far from the origin the products would lose their last digits.
    sum.add(point.clone().sub(first).cross(next.clone().sub(first)));
  }
  return sum.length() / 2;
}

/** For example `3.417 m`; without a known scale `3.417 units`. */
export function tell(measurement: Measurement, up: Vector3, units: View['units']): string {
  const value = valueOf(measurement, up);
  if (measurement.kind === 'angle') return `${inWords(value)}°`;
  const unit = units === 'metres' ? 'm' : 'units';
  return `${inWords(value)}\u00a0${unit}${measurement.kind === 'area' ? '²' : ''}`;
}

function inWords(value: number): string {
  return value.toLocaleString(undefined, { maximumSignificantDigits: 4 });
}
