"""A cloud of any source into an octree that was seen to hold it: what the stage and the command have in common."""

from pathlib import Path

from pointcloud_api.resource import Encoding
from pointcloud_potree.octree import OctreeSummary, Progress, write_octree
from pointcloud_potree.points import PointSource
from pointcloud_potree.reader import Octree
from pointcloud_potree.verifier import fingerprint, verify_octree


def write_verified_octree(  # noqa: PLR0913 - one input, one output, and options by keyword
    source: PointSource,
    folder: Path,
    *,
    encoding: Encoding,
    name: str,
    threads: int,
    scratch: Path | None = None,
    progress: Progress = lambda _step, _done, _total: None,
) -> OctreeSummary:
    """Write the octree and read all of it back: what is published was seen to hold every point once.

    Args:
        source: Read several times. Has colours, without which viewers show nothing.
        folder: Where metadata.json, hierarchy.bin and octree.bin are written.
        encoding: Of octree.bin.
        name: Shown by viewers.
        threads: How many to use. Has no influence on the result.
        scratch: For what memory has no room for, by default `folder`.
        progress: Called with a step's name, `verify` the last, and how many of its points are done.

    Raises:
        UnusableCloudError: The points cannot become an octree.
        UnreadablePointsError: The source's files turned out damaged.
        CorruptOctreeError: What was written is not what it was written from.
    """
    summary = write_octree(
        source, folder, encoding=encoding, name=name, threads=threads, scratch=scratch, progress=progress
    )
    verify_octree(
        folder,
        fingerprint(Octree(folder), source, threads=threads),
        threads=threads,
        progress=lambda done, total: progress("verify", done, total),
    )
    return summary
