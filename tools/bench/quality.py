"""What a quality costs and gives: the table of docs/photos.md.

    python -m tools.bench.quality [PHOTO...] [--qualities low,medium,high]

Reconstructs photos (by default twenty rendered ones) by the stage's real program, keeping nothing on the way. Seconds
are of processors, so that other work on the machine does not count; memory is the largest process's.
"""

import argparse
import resource
import tempfile
from pathlib import Path

from pointcloud_api.resource import Density, Quality
from pointcloud_api.stages import REPORT_FILE, ReconstructSettings
from tests.fixtures.store import run_store
from tools.bench.checkpoint import WITHOUT, ingested, measure
from tools.scene.photos import write


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--qualities", default="low,medium")
    options = parser.parse_args()
    wished = options.qualities.split(",")
    with tempfile.TemporaryDirectory() as name, run_store(Path(name) / "store") as store:
        photos = options.photos
        if not photos:
            write(Path(name) / "scene")
            photos = sorted((Path(name) / "scene" / "photos").iterdir())
        ingested(store, photos)
        print("| Quality | Processor seconds a photo | Most memory | Registered | Points | Reprojection error |")
        print("| --- | --- | --- | --- | --- | --- |")
        # From low to high: the system tells the most that any process has had so far.
        for quality in (each for each in Quality if each in wished):
            cost = measure(
                WITHOUT,
                f"at-{quality}",
                ReconstructSettings(quality=quality, density=Density.SPARSE),
                store,
                Path(name),
            )
            most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
            figures = cost.run.json(REPORT_FILE)["figures"]
            print(
                f"| `{quality}` | {cost.processor / len(photos):.1f} | {most / 1e9:.1f} GB "
                f"| {figures['imagesRegistered']} of {figures['imagesUsable']} | {figures['points']:,} "
                f"| {figures['meanReprojectionError']:.2f} px |",
                flush=True,
            )


if __name__ == "__main__":
    main()
