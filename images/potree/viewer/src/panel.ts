// The panel in the corner, the loading bar and the error box: everything that is not the picture.

import { Vector3 } from 'three';
import type { Failure } from './failure';
import type { Metadata, View } from './metadata';
import type { Row } from './report';
import type { ViewerState } from './state';

const BUDGETS = [200_000, 500_000, 2_000_000, 5_000_000];
const DESKTOP_BUDGET = 2;
const PHONE_BUDGET = 1;
// The fewer points a cloud has, the larger its dots must be to be seen as a surface.
const POINT_SIZES = [
  { fewerThan: 20_000, size: 5 },
  { fewerThan: 100_000, size: 4 },
  { fewerThan: 1_000_000, size: 3 },
  { fewerThan: Infinity, size: 2 },
];

export interface Settings {
  pointSize: number;
  pointBudget: number;
}

export class Panel {
  private readonly size = element('size', HTMLInputElement);
  private readonly budget = element('budget', HTMLInputElement);

  constructor(
    private readonly metadata: Metadata,
    title: string,
    units: View['units'],
  ) {
    const phone = matchMedia('(pointer: coarse)').matches || innerWidth < 600;
    const panel = element('panel', HTMLDetailsElement);
    panel.hidden = false;
    panel.open = !phone;
    document.title = title;
    element('title').textContent = title;
    element('encoding').textContent = metadata.encoding.toLowerCase();
    element('extent').textContent = extentOf(metadata, units);
    this.size.value = String(POINT_SIZES.find(({ fewerThan }) => metadata.points < fewerThan)?.size);
    this.budget.value = String(phone ? PHONE_BUDGET : DESKTOP_BUDGET);
  }

  get settings(): Settings {
    const pointBudget = BUDGETS[this.budget.valueAsNumber] ?? 0;
    element('budget-shown').textContent = pointBudget.toLocaleString();
    return { pointSize: this.size.valueAsNumber, pointBudget };
  }

  onChange(changed: () => void, reset: () => void): void {
    this.size.addEventListener('input', changed);
    this.budget.addEventListener('input', changed);
    element('reset').addEventListener('click', reset);
  }

  report(rows: Row[]): void {
    element('report').hidden = rows.length === 0;
    const cells = rows.flatMap(([name, value]) => [cell('dt', name), cell('dd', value)]);
    element('report-rows').replaceChildren(...cells);
  }

  show(state: ViewerState): void {
    element('points').textContent = `${state.points.toLocaleString()} of ${this.metadata.points.toLocaleString()}`;
    element('nodes').textContent = state.nodes.toLocaleString();
  }
}

/** Length, width and height in metres where the scale is known. */
function extentOf({ bounds }: Metadata, units: View['units']): string {
  const sides = bounds.getSize(new Vector3()).toArray();
  const shown = sides.map((side) => side.toLocaleString(undefined, { maximumSignificantDigits: 3 })).join(' × ');
  return units === 'metres' ? `${shown}\u00a0m` : `${shown}, in no known unit`;
}

function cell(kind: 'dt' | 'dd', text: string): HTMLElement {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

export function showLoading(active: boolean): void {
  element('loading').hidden = !active;
}

export function showFailure(failure: Failure): void {
  showLoading(false);
  element('panel').hidden = true;
  element('error').hidden = false;
  element('error-message').textContent = failure.message;
  element('error-remedy').textContent = failure.remedy;
  element('reload').addEventListener('click', () => location.reload());
}

function element(id: string): HTMLElement;
function element<T extends HTMLElement>(id: string, type: new () => T): T;
function element(id: string, type: new () => HTMLElement = HTMLElement): HTMLElement {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html lacks #${id}`);
  return found;
}
