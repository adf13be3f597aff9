// The panel in the corner: what the cloud is, what the report tells of it, and what of it there is to keep.

import { type Box3, Vector3 } from 'three';
import { element, make } from './dom';
import { type Download, sizeInWords } from './downloads';
import type { Metadata, View } from './metadata';
import type { Row } from './report';
import type { ViewerState } from './state';

export class Panel {
  constructor(
    private readonly metadata: Metadata,
    view: View,
    phone: boolean,
  ) {
    const title = view.title || metadata.name || 'Point cloud';
    const panel = element('panel', HTMLDetailsElement);
    panel.hidden = false;
    panel.open = !phone;
    document.title = title;
    element('title').textContent = title;
    element('encoding').textContent = metadata.encoding.toLowerCase();
    element('extent').textContent = extentOf(view.core ?? metadata.bounds, view.units);
  }

  report(rows: Row[]): void {
    element('report').hidden = rows.length === 0;
    element('report-rows').replaceChildren(...cells(rows));
  }

  downloads(files: Download[]): void {
    element('downloads').hidden = files.length === 0;
    element('files').replaceChildren(...files.map(lineOf));
  }

  show(state: ViewerState): void {
    element('points').textContent = `${state.points.toLocaleString()} of ${this.metadata.points.toLocaleString()}`;
    element('nodes').textContent = state.nodes.toLocaleString();
  }
}

export function cells(rows: Row[]): HTMLElement[] {
  return rows.flatMap(([name, value]) => [make('dt', name), make('dd', value)]);
}

function lineOf({ path, size }: Download): HTMLElement {
  const line = make('li');
  const link = make('a', path);
  link.href = `./${encodeURI(path)}`;
  link.download = '';
  line.append(link, ` ${sizeInWords(size)}`);
  return line;
}

/** Length, width and height in metres where the scale is known. */
function extentOf(bounds: Box3, units: View['units']): string {
  const sides = bounds.getSize(new Vector3()).toArray();
  const shown = sides.map((side) => side.toLocaleString(undefined, { maximumSignificantDigits: 3 })).join(' × ');
  return units === 'metres' ? `${shown}\u00a0m` : `${shown}, in no known unit`;
}
