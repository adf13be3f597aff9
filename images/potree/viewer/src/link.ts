// A view as the fragment of an address and back: where we look from, what is shown, and what was measured.

import { Box3, Vector3 } from 'three';
import type { Pose } from './camera';
import type { Choices } from './choices';
import { isKind, type Measurement, TOOLS } from './measure';

// More than the octree resolves, and less than the noise of a reckoning.
const DIGITS = 12;

export interface Linked {
  pose: Pose | null;
  choices: Partial<Choices>;
}

export function encode({ position, target }: Pose, choices: Readonly<Choices>): string {
  const { colouring, shading, pointSize, clip, photos, measurements } = choices;
  const parts = [
    `eye=${numbers([position])}`,
    `target=${numbers([target])}`,
    `colours=${colouring}`,
    `shading=${shading ? 1 : 0}`,
    ...(pointSize ? [`size=${pointSize}`] : []),
    ...(clip ? [`box=${numbers([clip.min, clip.max])}`] : []),
    ...(photos ? ['photos=1'] : []),
    ...measurements.map(({ kind, points }) => `${kind}=${numbers(points)}`),
  ];
  return `#${parts.join('&')}`;
}

/** What cannot be read is left out: a link that was cut short still opens. */
export function decode(fragment: string): Linked {
  const parts = new URLSearchParams(fragment.replace(/^#/, ''));
  const [position] = points(parts.get('eye'));
  const [target] = points(parts.get('target'));
  if (!position || !target || position.equals(target)) return { pose: null, choices: {} };
  const [min, max] = points(parts.get('box'));
  const size = Number(parts.get('size'));
  const choices: Partial<Choices> = {
    pointSize: size > 0 ? size : null,
    colouring: parts.get('colours') === 'elevation' ? 'elevation' : 'photos',
    shading: parts.get('shading') !== '0',
    clip: min && max ? new Box3(min, max) : null,
    photos: parts.get('photos') === '1',
    measurements: measurements(parts),
  };
  return { pose: { position, target }, choices };
}

function measurements(parts: URLSearchParams): Measurement[] {
  return [...parts].flatMap(([kind, text]) => {
    if (!isKind(kind)) return [];
    const { least, most } = TOOLS[kind];
    const found = points(text);
    return found.length >= least && found.length <= most ? [{ kind, points: found }] : [];
  });
}

function numbers(of: readonly Vector3[]): string {
  return of.flatMap((point) => point.toArray().map((value) => Number(value.toPrecision(DIGITS)))).join();
}

function points(text: string | null): Vector3[] {
  const values = (text ?? '').split(',').map((value) => (value === '' ? NaN : Number(value)));
  if (values.length % 3 !== 0 || !values.every(Number.isFinite)) return [];
  return Array.from({ length: values.length / 3 }, (_, index) => new Vector3().fromArray(values, 3 * index));
}
