// The reconstruction's account of itself: how good the cloud is, where it is, and what each photo gave to it.

import { json } from '../http';
import { jobPath, type Job } from '../service';
import { count, duration, number } from '../words';
import { Loaded, ROWS } from './details';

interface Photo {
  name: string;
  registered: boolean;
  points: number | null;
  reprojectionError: number | null;
  coverage: number | null;
  gpsError: number | null;
}

interface Georeference {
  origin: { latitude: number; longitude: number; altitude: number };
  crs: string;
  crsName: string;
  positions: number;
  positionsUsed: number;
  residuals: { median: number; rms: number; max: number; rmsHorizontal: number; rmsVertical: number };
  scaleError: number;
}

interface Unregistered {
  name: string;
  cause: string;
  remedy: string;
}

// Of reports that earlier versions wrote, much is missing.
interface Account {
  figures?: Record<string, unknown>;
  unregistered?: Unregistered[];
  cameras?: number;
  units?: string;
  georeference?: Georeference | null;
  removed?: { uncertain: number; lonely: number };
  pointsPerImage?: number;
  images?: Photo[];
  matching?: { used: string; why: string; matched: number; possible: number; verified: number };
  mapper?: string;
  sparsePoints?: number;
  dense?: { engine: string; views: number; withoutMaps: { name: string; why: string }[] } | null;
  seconds?: Record<string, number>;
  versions?: Record<string, string>;
}

export function Report({ job }: { job: Job }) {
  return (
    <Loaded title="Report" load={() => json<Account>(jobPath(job.id, 'report'))} version={job.completed_at ?? ''}>
      {(report) => (
        <>
          <Table title="Figures" rows={figuresOf(report)} />
          {report.georeference && <Table title="Place on the earth" rows={placeOf(report.georeference)} />}
          <Photos photos={report.images ?? []} />
          <Table title="Time" rows={Object.entries(report.seconds ?? {}).map(([step, s]) => [spaced(step), duration(s)])} />
          {(report.unregistered?.length ?? 0) > 0 && (
            <>
              <h3>Photos that were not placed</h3>
              <ul class="files">
                {report.unregistered?.slice(0, ROWS).map(({ name, cause, remedy }) => (
                  <li key={name} class="file">
                    <span class="path">{name}</span>
                    <span class="reason">{`${spaced(cause)}. ${remedy}`}</span>
                  </li>
                ))}
              </ul>
            </>
          )}
          {(report.dense?.withoutMaps.length ?? 0) > 0 && (
            <>
              <h3>Photos without depth</h3>
              <ul class="files">
                {report.dense?.withoutMaps.slice(0, ROWS).map(({ name, why }) => (
                  <li key={name} class="file">
                    <span class="path">{name}</span>
                    <span class="reason">{why}</span>
                  </li>
                ))}
              </ul>
            </>
          )}
          <Table title="Versions" rows={Object.entries(report.versions ?? {})} />
        </>
      )}
    </Loaded>
  );
}

function figuresOf(report: Account): [string, string][] {
  const known = {
    ...report.figures,
    pointsPerImage: report.pointsPerImage,
    uncertainPointsRemoved: report.removed?.uncertain,
    lonelyPointsRemoved: report.removed?.lonely,
    units: report.units,
    cameras: report.cameras,
    matching: report.matching && `${report.matching.used}: ${report.matching.why}`,
    pairsMatched: report.matching?.matched,
    pairsPossible: report.matching?.possible,
    pairsVerified: report.matching?.verified,
    mapper: report.mapper,
    pointsOfTheModel: report.sparsePoints,
    depthComputedBy: report.dense?.engine,
    photosWithDepth: report.dense && report.dense.views - report.dense.withoutMaps.length,
  };
  return Object.entries(known).flatMap(([name, value]): [string, string][] => {
    if (typeof value === 'number') return [[spaced(name), Number.isInteger(value) ? number(value) : value.toFixed(2)]];
    return typeof value === 'string' ? [[spaced(name), value]] : [];
  });
}

function placeOf({ origin, crs, crsName, positions, positionsUsed, residuals, scaleError }: Georeference): [string, string][] {
  const { median, rms, max, rmsHorizontal, rmsVertical } = residuals;
  return [
    ['Origin', `${origin.latitude}, ${origin.longitude}, ${origin.altitude} m`],
    ['Map of points.laz', `${crsName} (${crs})`],
    ['GPS positions used', `${number(positionsUsed)} of ${number(positions)}`],
    ['Residuals', `median ${metres(median)}, RMS ${metres(rms)}, at most ${metres(max)}`],
    ['RMS', `horizontally ${metres(rmsHorizontal)}, vertically ${metres(rmsVertical)}`],
    ['Scale', `good to ${(100 * scaleError).toPrecision(2)} %`],
  ];
}

// The worst first: those are the ones to look at.
function Photos({ photos }: { photos: Photo[] }) {
  const placed = photos.filter(({ registered }) => registered).sort((a, b) => (a.points ?? 0) - (b.points ?? 0));
  if (placed.length === 0) return null;
  const gps = placed.some(({ gpsError }) => gpsError !== null);
  return (
    <div class="wide">
      <table>
        <caption>Photos, those with the fewest points first</caption>
        <thead>
          <tr>
            <th scope="col">Photo</th>
            <th scope="col">Points</th>
            <th scope="col">Error</th>
            <th scope="col">Covered</th>
            {gps && <th scope="col">GPS</th>}
          </tr>
        </thead>
        <tbody>
          {placed.slice(0, ROWS).map(({ name, points, reprojectionError, coverage, gpsError }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{number(points ?? 0)}</td>
              <td>{reprojectionError === null ? '' : `${reprojectionError.toFixed(2)} px`}</td>
              <td>{`${Math.round(100 * (coverage ?? 0))} %`}</td>
              {gps && <td>{gpsError === null ? '' : metres(gpsError)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {placed.length > ROWS && <p class="quiet">and {count(placed.length - ROWS, 'photo')} more</p>}
    </div>
  );
}

const metres = (value: number): string => `${value.toFixed(2)} m`;

function spaced(name: string): string {
  const words = name.replace(/([a-z])([A-Z])|_/g, '$1 $2').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function Table({ title, rows }: { title: string; rows: [string, string][] }) {
  if (rows.length === 0) return null;
  return (
    <table>
      <caption>{title}</caption>
      <tbody>
        {rows.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
