"""`python -m pointcloud_potree.convert IN... OUT`: a folder that shows point clouds of any origin, without a cluster.

    python -m pointcloud_potree.convert survey.laz scan.ply shown [--encoding uncompressed] [--name "My survey"]
        [--attributes rgb classification]

Reads PLY, LAS and LAZ files and COLMAP's models, several of them as one cloud, and writes the octree with the viewer
page beside it where the page was built. Any web server that answers byte ranges can serve the folder.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pointcloud_api.resource import Encoding
from pointcloud_potree.conversion import write_verified_octree
from pointcloud_potree.grid import UnusableCloudError
from pointcloud_potree.inputs import ChosenPoints, JoinedPoints, UnreadablePointsError, open_points
from pointcloud_potree.inputs.grey import GreyPoints, has_colours
from pointcloud_potree.points import PointSource
from pointcloud_potree.program import VIEWER
from pointcloud_stage.limits import cpu_limit


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert; the exit status is 1 where that could not be done."""
    parser = argparse.ArgumentParser(
        prog="python -m pointcloud_potree.convert", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", metavar="IN", type=Path, nargs="+", help="PLY, LAS, LAZ, or a folder of COLMAP's")
    parser.add_argument("folder", metavar="OUT", type=Path, help="made if missing")
    parser.add_argument("--encoding", type=Encoding, choices=list(Encoding), default=Encoding.BROTLI)
    parser.add_argument("--name", help="shown by viewers; the first file's by default")
    parser.add_argument("--attributes", metavar="NAME", nargs="+", help="all that the files have by default")
    given = parser.parse_args(arguments)
    try:
        source = _opened(given.files, given.attributes)
        _convert(source, given.folder, encoding=given.encoding, name=given.name or given.files[0].stem)
    except (UnreadablePointsError, UnusableCloudError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        what = f"{error.filename or given.folder}: {error.strerror}"
        print(f"error: {what}; name an OUT that can be written and has room", file=sys.stderr)
        return 1
    return 0


def _opened(files: Sequence[Path], attributes: Sequence[str] | None) -> PointSource:
    source = open_points(*files)
    if isinstance(source, JoinedPoints) and source.left_out:
        print(f"left out, as not all files have it: {', '.join(source.left_out)}")
    return source if attributes is None else ChosenPoints(source, attributes)


def _convert(source: PointSource, folder: Path, *, encoding: Encoding, name: str) -> None:
    if not has_colours(source):
        print("the points have no colours, and are shown in grey")
        source = GreyPoints(source)
    summary = write_verified_octree(source, folder, encoding=encoding, name=name, threads=cpu_limit())
    if VIEWER.is_dir():
        shutil.copytree(VIEWER, folder, dirs_exist_ok=True)
    if summary.dropped:
        print(f"left out, as their coordinates are not finite: {summary.dropped} points")
    print(f"{folder}: {summary.points} points in {summary.nodes} nodes, {summary.size_bytes / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
