"""What cannot become an octree is refused with a reason, and what was begun never looks finished."""

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pointcloud_api.resource import Encoding
from pointcloud_potree import octree
from pointcloud_potree.grid import UnusableCloudError
from pointcloud_potree.inputs.arrays import ArrayPoints
from pointcloud_potree.octree import write_octree
from pointcloud_potree.points import Block, Portion


def cloud(points: int) -> ArrayPoints:
    rng = np.random.default_rng(1)
    return ArrayPoints.coloured(rng.random((points, 3)), rng.integers(0, 256, (points, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (np.empty((0, 3)), "none of the 0 points has finite coordinates: there is nothing to show"),
        (np.full((5, 3), np.nan), "none of the 5 points has finite coordinates"),
        (np.full((30_000, 3), 7.25), "all 30000 points are at one place"),
        (np.array([[-1.7e308, 0, 0], [1.7e308, 0, 0]]), "remove the outliers"),
    ],
)
def test_what_is_no_cloud_is_told(tmp_path: Path, positions: npt.NDArray[np.float64], message: str) -> None:
    with pytest.raises(UnusableCloudError, match=message):
        write_octree(ArrayPoints(positions), tmp_path)
    assert not (tmp_path / "metadata.json").exists()


def test_a_scale_too_fine_for_the_extent_is_refused(tmp_path: Path) -> None:
    positions = np.array([[0, 0, 0], [2_000_000, 0, 0]], np.float64)
    with pytest.raises(UnusableCloudError, match=r"span 2e\+06, which at a scale of 0\.001 .* at least 0\.002"):
        write_octree(ArrayPoints(positions), tmp_path, scale=0.001)
    write_octree(ArrayPoints(positions), tmp_path, scale=0.002)


def test_more_points_at_one_place_than_a_viewer_loads_are_refused(tmp_path: Path) -> None:
    positions = np.zeros((octree.MAX_CHUNK_POINTS + 2, 3))
    positions[0] = 1
    with pytest.raises(UnusableCloudError, match=f"{octree.MAX_CHUNK_POINTS + 1} points lie at one place"):
        write_octree(ArrayPoints(positions), tmp_path)


class Growing:
    """A file that somebody appends to, far away, between two readings."""

    attributes = ()

    def __init__(self, positions: npt.NDArray[np.float64]) -> None:
        self.cloud = ArrayPoints(positions)
        self.count = len(positions)
        self.readings = 0

    def portions(self) -> Iterator[Portion]:
        self.readings += 1
        yield from self.cloud.portions()
        if self.readings > 1:
            yield Portion(5, lambda: Block(np.full((5, 3), 1e9), {}))


def test_a_cloud_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableCloudError, match="2000000 points were read first and 2000005 when read again"):
        write_octree(Growing(cloud(2_000_000).positions), tmp_path, memory=1)


@pytest.mark.parametrize("encoding", Encoding)
def test_a_full_disk_is_told_and_nothing_looks_finished(tmp_path: Path, encoding: Encoding) -> None:
    write_octree(cloud(100), tmp_path)
    (tmp_path / "octree.bin").unlink()
    (tmp_path / "octree.bin").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as error:
        write_octree(cloud(50_000), tmp_path, encoding=encoding)
    assert error.value.errno == errno.ENOSPC
    assert not (tmp_path / "metadata.json").exists()


SPILL_WITH_LITTLE_SCRATCH = """
import resource
import sys
from pathlib import Path
import numpy as np
from pointcloud_potree.inputs.arrays import ArrayPoints
from pointcloud_potree.octree import write_octree
resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, 8 << 20))
try:
    write_octree(ArrayPoints(np.random.default_rng(1).random((6_000_000, 3))), Path(sys.argv[1]), memory=1)
except OSError as error:
    print(error.errno, [file.name for file in Path(sys.argv[1]).iterdir()])
"""


def test_a_scratch_file_that_cannot_grow_is_told(tmp_path: Path) -> None:
    run = [sys.executable, "-c", SPILL_WITH_LITTLE_SCRATCH, str(tmp_path)]
    told = subprocess.run(run, check=True, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert told.stdout.strip() == f"{errno.EFBIG} []"
