// Watches the workers that unpack points. potree-core waits for ever for one that fails, and shows what cannot be
// unpacked as black points in one place.

import type { PointCloudOctree } from 'potree-core';
import { Failure } from './failure';

/** What potree-core unpacks points with: its types tell of an older octree's loader. */
interface Decoding {
  loader: { workerPool: { getWorker(kind: string): Worker } };
}

interface Unpacked {
  attributeBuffers: Record<string, { buffer: ArrayBuffer }>;
}

export function watchDecoders(octree: PointCloudOctree, failed: (failure: Failure) => void): void {
  const { workerPool } = (octree.pcoGeometry as unknown as Decoding).loader;
  const getWorker = workerPool.getWorker.bind(workerPool);
  const damaged = (): void =>
    failed(new Failure('octree.bin is damaged.', 'Copy the folder again, or run the conversion again.'));
  const watched = new WeakSet<Worker>();
  workerPool.getWorker = (kind) => {
    const worker = getWorker(kind);
    if (!watched.has(worker)) {
      watched.add(worker);
      worker.addEventListener('error', damaged);
      worker.addEventListener('message', ({ data }: MessageEvent<Unpacked>) => {
        if (isBlank(data)) damaged();
      });
    }
    return worker;
  };
}

/** Whether many points are all black and in one place, as zeros are. */
function isBlank({ attributeBuffers }: Unpacked): boolean {
  const places = new Float32Array(attributeBuffers['position']?.buffer ?? new ArrayBuffer(0));
  const colours = new Uint8Array(attributeBuffers['rgba']?.buffer ?? new ArrayBuffer(0));
  return (
    places.length > 3 &&
    places.every((value, index) => value === places[index % 3]) &&
    colours.every((value, index) => index % 4 === 3 || value === 0)
  );
}
