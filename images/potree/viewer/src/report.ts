// The reconstruction's account of itself, report.json beside the page, in a few rows; every figure may be missing.

import { asObject } from './metadata';
import { fetchJson } from './requests';

export type Row = [name: string, value: string];

export interface Report {
  rows: Row[];
  /** What the report tells of each photo, by its name. */
  photos: Map<string, Row[]>;
}

export async function fetchReport(url: string): Promise<Report> {
  const report = asObject(await fetchJson(url, { optional: true }));
  const photos = Array.isArray(report['images']) ? report['images'].map(asObject) : [];
  return { rows: rowsOf(report), photos: new Map(photos.map((photo) => [String(photo['name']), photoRows(photo)])) };
}

function photoRows(photo: Record<string, unknown>): Row[] {
  const coverage = photo['coverage'];
  return present([
    ['Points', Number.isFinite(photo['points']) ? (photo['points'] as number).toLocaleString() : null],
    ['Reprojection error', fixed(photo['reprojectionError'], 2, 'px')],
    ['Covered by points', Number.isFinite(coverage) ? `${Math.round(100 * (coverage as number))} %` : null],
    ['GPS error', fixed(photo['gpsError'], 2, 'm')],
  ]);
}

function present(rows: [string, string | null][]): Row[] {
  return rows.filter((row): row is Row => row[1] !== null);
}

function rowsOf(report: Record<string, unknown>): Row[] {
  const figures = asObject(report['figures']);
  const removed = asObject(report['removed']);
  const rows: [string, string | null][] = [
    ['Photos', pair(figures['imagesRegistered'], figures['imagesUsable'])],
    ['Reprojection error', fixed(figures['meanReprojectionError'], 2, 'px')],
    ['Photos a point', fixed(figures['meanTrackLength'], 1)],
    ['Points a photo', fixed(report['pointsPerImage'], 0)],
    ...densityOf(figures['density'], asObject(report['dense'])),
    ['Outliers removed', sum(removed['uncertain'], removed['lonely'])],
    ...placeOf(asObject(report['georeference'])),
  ];
  return present(rows);
}

function densityOf(density: unknown, dense: Record<string, unknown>): [string, string | null][] {
  const without = Array.isArray(dense['withoutMaps']) ? dense['withoutMaps'].length : NaN;
  const views = Number(dense['views']);
  return [
    ['Density', typeof density === 'string' ? density : null],
    ['Photos with depth', density === 'dense' ? pair(views - without, views) : null],
  ];
}

function placeOf(georeference: Record<string, unknown>): [string, string | null][] {
  const origin = asObject(georeference['origin']);
  const place = [origin['latitude'], origin['longitude']].map((angle) => fixed(angle, 6));
  return [
    ['GPS residual', fixed(asObject(georeference['residuals'])['rms'], 2, 'm')],
    ['Origin', place.includes(null) ? null : place.join(', ')],
    ['Map', typeof georeference['crs'] === 'string' ? georeference['crs'] : null],
  ];
}

function fixed(value: unknown, digits: number, unit = ''): string | null {
  return Number.isFinite(value) ? `${(value as number).toFixed(digits)} ${unit}`.trim() : null;
}

function pair(part: unknown, whole: unknown): string | null {
  return Number.isFinite(part) && Number.isFinite(whole) ? `${String(part)} of ${String(whole)}` : null;
}

function sum(one: unknown, other: unknown): string | null {
  return Number.isFinite(one) && Number.isFinite(other) ? ((one as number) + (other as number)).toLocaleString() : null;
}
