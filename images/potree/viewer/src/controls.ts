// Binds the panel's inputs to the choices, both ways.

import { Box3, Vector3 } from 'three';
import type { Choices, Store } from './choices';
import { element, make } from './dom';
import { tell, TOOLS } from './measure';
import type { Measuring } from './measuring';
import type { View } from './metadata';
import { RAMP_CSS } from './ramp';

const BUDGETS = [200_000, 500_000, 2_000_000, 5_000_000];
/** The steps of a slider from one end of the cloud to the other, and how far beyond its core it reaches. */
const STEPS = 1000;
const BEYOND = 0.1;
const AXES = ['x', 'y', 'z'] as const;
const ENDS = ['min', 'max'] as const;
/** In a cloud that is georeferenced, x is east and y is north. */
const DIRECTIONS = { x: ['West', 'East'], y: ['South', 'North'], z: ['Bottom', 'Top'] } as const;

export class Controls {
  private readonly size = element('size', HTMLInputElement);
  private readonly budget = element('budget', HTMLSelectElement);
  private readonly colouring = element('colouring', HTMLSelectElement);
  private readonly shading = element('shading', HTMLInputElement);
  private readonly photos = element('photos', HTMLInputElement);
  private readonly clip = element('clip', HTMLInputElement);
  /** What the sliders reach across; null until the cloud's core is known. */
  private range: Box3 | null = null;

  constructor(
    private readonly store: Store,
    private readonly measuring: Measuring,
    private readonly up: Vector3,
    private readonly units: View['units'],
  ) {
    element('ramp').style.background = RAMP_CSS;
    this.budget.append(...BUDGETS.map((points) => new Option(points.toLocaleString(), String(points))));
    // The colours follow z: a cloud that stands otherwise has no elevation that z tells.
    element('colours').hidden = Math.abs(up.z) < 0.99;
    for (const slider of this.sliders()) this.name(slider);
    this.bind();
    store.follow((now) => this.show(now));
  }

  /** Whether the core is known. */
  get ready(): boolean {
    return this.range !== null;
  }

  /** @param core Where most points are: outliers would leave the sliders no room. */
  setCore(core: Box3): void {
    const margin = core.getSize(new Vector3()).multiplyScalar(BEYOND);
    this.range = core.clone().expandByVector(margin);
    this.clip.disabled = false;
    const told = [core.min.z, core.max.z].map((z) => this.length(z));
    element('lowest').textContent = told[0] ?? '';
    element('highest').textContent = told[1] ?? '';
    this.show(this.store.now);
  }

  /** Show how large the points are, in CSS pixels. */
  showSize(size: number): void {
    this.size.value = String(size);
  }

  private bind(): void {
    const { store } = this;
    this.size.addEventListener('input', () => store.set({ pointSize: this.size.valueAsNumber }));
    this.budget.addEventListener('change', () => store.set({ pointBudget: Number(this.budget.value) || null }));
    this.colouring.addEventListener('change', () =>
      store.set({ colouring: this.colouring.value as Choices['colouring'] }),
    );
    this.shading.addEventListener('change', () => store.set({ shading: this.shading.checked }));
    this.photos.addEventListener('change', () => store.set({ photos: this.photos.checked }));
    this.clip.addEventListener('change', () => store.set({ clip: this.clip.checked ? this.range : null }));
    for (const { input, axis, end } of this.sliders()) {
      input.addEventListener('input', () => this.cut(axis, end, input.valueAsNumber / STEPS));
    }
  }

  private show({ pointBudget, colouring, shading, photos, clip, measurements }: Readonly<Choices>): void {
    this.budget.value = String(pointBudget ?? 0);
    this.colouring.value = colouring;
    this.shading.checked = shading;
    this.photos.checked = photos;
    this.clip.checked = clip !== null;
    element('legend').hidden = colouring !== 'elevation';
    element('sliders').hidden = clip === null;
    if (clip) this.showBox(clip);
    element('measurements').hidden = measurements.length === 0;
    element('measured').replaceChildren(...measurements.map((_, index) => this.line(index)));
  }

  private showBox(clip: Box3): void {
    const { range } = this;
    if (!range) return;
    for (const { input, axis, end } of this.sliders()) {
      const value = clip[end][axis];
      const share = (value - range.min[axis]) / (range.max[axis] - range.min[axis] || 1);
      input.value = String(Math.round(share * STEPS));
      input.setAttribute('aria-valuetext', this.length(value));
    }
  }

  /** Move one side of the box; the other gives way, so that it never turns inside out. */
  private cut(axis: 'x' | 'y' | 'z', end: 'min' | 'max', share: number): void {
    const { range, store } = this;
    const { clip } = store.now;
    if (!range || !clip) return;
    const box = clip.clone();
    box[end][axis] = range.min[axis] + share * (range.max[axis] - range.min[axis]);
    if (end === 'min') box.max[axis] = Math.max(box.max[axis], box.min[axis]);
    else box.min[axis] = Math.min(box.min[axis], box.max[axis]);
    store.set({ clip: box });
  }

  private line(index: number): HTMLElement {
    const measurement = this.store.now.measurements[index];
    const line = make('li');
    if (!measurement) return line;
    const words = `${TOOLS[measurement.kind].name}: ${tell(measurement, this.up, this.units)}`;
    const remove = make('button', 'Remove');
    remove.type = 'button';
    remove.setAttribute('aria-label', `Remove ${words}`);
    remove.addEventListener('click', () => this.measuring.remove(index));
    line.append(make('span', words), remove);
    return line;
  }

  private length(value: number): string {
    const shown = value.toLocaleString(undefined, { maximumFractionDigits: 2 });
    return this.units === 'metres' ? `${shown}\u00a0m` : shown;
  }

  private sliders(): { input: HTMLInputElement; axis: 'x' | 'y' | 'z'; end: 'min' | 'max' }[] {
    return AXES.flatMap((axis) =>
      ENDS.map((end) => ({ input: element(`${axis}-${end}`, HTMLInputElement), axis, end })),
    );
  }

  private name({ input, axis, end }: ReturnType<Controls['sliders']>[number]): void {
    const direction = DIRECTIONS[axis][end === 'min' ? 0 : 1];
    const name = this.units === 'metres' ? direction : `${axis.toUpperCase()} ${end === 'min' ? 'from' : 'to'}`;
    input.labels?.[0]?.prepend(name);
  }
}
