// Draws measurements over the picture: lines in SVG, values as text, always in front and sharp at any size.

import { Vector3 } from 'three';
import type { ViewCamera } from './camera';
import type { Choices } from './choices';
import { element, make } from './dom';
import { type Measurement, tell } from './measure';
import type { View } from './metadata';

const SVG = 'http://www.w3.org/2000/svg';

export class Overlay {
  /** The point that a click would take. */
  hover: Vector3 | null = null;
  private readonly lines = element('lines', SVGSVGElement);
  private readonly labels = element('labels');

  constructor(
    private readonly camera: ViewCamera,
    private readonly units: View['units'],
  ) {}

  draw({ measurements, draft, tool }: Readonly<Choices>): void {
    this.lines.replaceChildren();
    this.labels.replaceChildren();
    for (const measurement of measurements) this.measurement(measurement);
    this.path(draft);
    draft.forEach((point) => this.dot(point));
    if (tool && this.hover) this.dot(this.hover, 'hover');
  }

  private measurement(measurement: Measurement): void {
    const { kind, points } = measurement;
    const [first, second] = points as [Vector3, Vector3];
    if (kind === 'height') {
      const climb = second.clone().sub(first).dot(this.camera.up);
      const corner = first.clone().addScaledVector(this.camera.up, climb);
      this.path([first, corner]);
      this.path([corner, second], 'aid');
      this.label(measurement, mean([first, corner]));
    } else {
      this.path(kind === 'area' ? [...points, first] : points, kind);
      this.label(measurement, kind === 'angle' ? second : mean(points));
    }
    points.forEach((point) => this.dot(point));
  }

  private label(measurement: Measurement, at: Vector3): void {
    const place = this.camera.screenOf(at);
    if (!place) return;
    const label = make('span', tell(measurement, this.camera.up, this.units));
    label.style.transform = `translate(${place.x}px, ${place.y}px) translate(-50%, -50%)`;
    this.labels.append(label);
  }

  /** A line through the points, as far as they are in front of the eye. */
  private path(points: readonly Vector3[], name = ''): void {
    const places = points.map((point) => this.camera.screenOf(point));
    if (places.length < 2 || places.includes(null)) return;
    const line = document.createElementNS(SVG, 'polyline');
    line.setAttribute('points', places.map((place) => `${place?.x},${place?.y}`).join(' '));
    line.setAttribute('class', name);
    this.lines.append(line);
  }

  private dot(point: Vector3, name = ''): void {
    const place = this.camera.screenOf(point);
    if (!place) return;
    const dot = document.createElementNS(SVG, 'circle');
    dot.setAttribute('cx', String(place.x));
    dot.setAttribute('cy', String(place.y));
    dot.setAttribute('r', name ? '7' : '4');
    dot.setAttribute('class', name);
    this.lines.append(dot);
  }
}

function mean(points: readonly Vector3[]): Vector3 {
  const sum = new Vector3();
  for (const point of points) sum.addScaledVector(point, 1 / points.length);
  return sum;
}
