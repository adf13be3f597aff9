"""What it costs to store photos' features, compared pairs and snapshots while a reconstruction goes on.

    python -m tools.bench.checkpoint [PHOTO...] [--rounds 3] [--quality medium]

Reconstructs photos (by default twenty rendered ones) by the stage's real program against the real store, with
checkpoints and without, in turn. Prints the least processor seconds of each, which the store's process is no part of,
their ratio, and what lies in the store per photo and per pair.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from PIL import Image

from pointcloud_api.names import StageName
from pointcloud_api.resource import Density, Quality
from pointcloud_api.stages import (
    PHOTO_MANIFEST,
    REPORT_FILE,
    ExitCode,
    Figures,
    Photo,
    PhotoManifest,
    ReconstructDocument,
    ReconstructSettings,
)
from pointcloud_colmap.kept import KeptFeatures
from pointcloud_colmap.kept_pairs import KeptPairs
from pointcloud_colmap.program import reconstruct
from pointcloud_colmap.snapshots import Snapshots
from pointcloud_stage import Outcome, StageContext
from tests.fixtures.stages import StageBefore, StageRun, start_stage
from tests.fixtures.store import StoreServer, run_store
from tools.scene.photos import write

JOB: Final = {"namespace": "bench", "name": "checkpoint", "uid": "u"}
_ENTRY: Final = "from pointcloud_stage import main; main('{}')"
WITH: Final = _ENTRY.format("pointcloud_colmap.program:reconstruct")
WITHOUT: Final = _ENTRY.format("tools.bench.checkpoint:reconstruct_keeping_nothing")


def reconstruct_keeping_nothing(context: StageContext[ReconstructDocument]) -> Outcome:
    """The stage's program, which looks at the database for its progress only."""

    def count(_: KeptFeatures, connection: Any) -> int:
        return sum(connection.exists_descriptors(image.image_id) for image in connection.read_all_images())

    with (
        patch.object(KeptFeatures, "keep_new", count),
        patch.object(KeptPairs, "keep_new"),
        patch.object(Snapshots, "take"),
    ):
        return reconstruct(context)


@dataclass(frozen=True)
class Cost:
    """Of one run."""

    processor: float
    """Seconds of all processors, in the pod's processes."""
    run: StageRun


def ingested(store: StoreServer, photos: Sequence[Path], *, key: str = "photos") -> None:
    """Leaves photos in the store as an ingest pod does."""
    pod = StageBefore(store, StageName.INGEST, JOB, key=key)
    listed = []
    for photo in photos:
        width, height = Image.open(photo).size
        listed.append(
            Photo(**pod.leave(f"images/{photo.name}", photo.read_bytes()).model_dump(), width=width, height=height)
        )
    manifest = pod.leave(PHOTO_MANIFEST, PhotoManifest(photos=tuple(listed)).model_dump_json().encode())
    pod.finish([manifest], Figures(images_found=len(listed), images_usable=len(listed)))


def measure(  # noqa: PLR0913 - what to run, on what, and where
    entry: str,
    key: str,
    settings: ReconstructSettings,
    store: StoreServer,
    scratch: Path,
    *,
    photos: str = "photos",
) -> Cost:
    """Runs one pod to its end on the photos of that key."""
    document = ReconstructDocument(
        **JOB,
        key=key,
        attempt=1,
        store_url=store.url,
        upstream=photos,
        settings=settings,
        device="cpu",
    )
    before = os.times()
    run = start_stage(
        ["-c", entry],
        document,
        store=store,
        tmp_path=scratch,
        pod_uid=f"pod-of-{key}",
        variables={"PYTHONPATH": os.pathsep.join(sys.path)},
    ).wait(patience=None)
    if run.exit_code != ExitCode.DONE:
        raise SystemExit(run.stdout)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(processor=spent, run=run)


def _stored(run: StageRun, folder: str) -> tuple[int, int]:
    """Files and bytes below a folder of the pod."""
    sizes = [file.stat().st_size for file in (run.folder / folder).iterdir()]
    return len(sizes), sum(sizes)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quality", type=Quality, default=Quality.MEDIUM)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, run_store(Path(name) / "store") as store:
        scratch = Path(name)
        photos = options.photos
        if not photos:
            write(scratch / "scene")
            photos = sorted((scratch / "scene" / "photos").iterdir())
        ingested(store, photos)
        costs: dict[str, list[Cost]] = {WITHOUT: [], WITH: []}
        settings = ReconstructSettings(quality=options.quality, density=Density.SPARSE)
        for number in range(options.rounds):
            for which, (entry, measured) in enumerate(costs.items()):
                measured.append(measure(entry, f"{which}-{number}", settings, store, scratch))
        _tell(costs, photos=len(photos))


def _tell(costs: dict[str, list[Cost]], *, photos: int) -> None:
    without, kept = (min(cost.processor for cost in costs[entry]) for entry in (WITHOUT, WITH))
    run = costs[WITH][-1].run
    pairs = run.json(REPORT_FILE)["matching"]["matched"]
    _, features = _stored(run, "features")
    blocks, matches = _stored(run, "pairs")
    lists, listed = _stored(run, "checkpoint")
    print(f"processor seconds: {without:.1f} without, {kept:.1f} with checkpoints: {kept / without:.3f} times")
    print(f"stored: {features / photos / 1e6:.2f} MB of features a photo, {matches / pairs / 1e3:.1f} kB a pair in")
    print(f"{blocks} blocks, and {lists} lists of {listed / 1e3:.1f} kB in all")


if __name__ == "__main__":
    main()
