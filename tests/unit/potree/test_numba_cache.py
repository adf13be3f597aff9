"""An image compiles the kernels while it is built, and never again."""

import os
import subprocess
import sys
from pathlib import Path

COMPILE = "from pointcloud_potree.numba_cache import compile_kernels; compile_kernels()"
CONVERT_WHERE_NOTHING_CAN_BE_WRITTEN = """
import sys
import tempfile
from pathlib import Path
import laspy
import numpy as np

def refuse(*_args, **_options):
    raise OSError("Read-only file system")

tempfile.TemporaryFile = refuse  # what numba asks by whether it can write

from pointcloud_api.resource import Encoding
from pointcloud_potree import crowding, kernels, sampling
from pointcloud_potree.inputs import ArrayPoints, open_points
from pointcloud_potree.octree import write_octree
from pointcloud_potree.perspective import View
from pointcloud_potree.thumbnail import draw_thumbnail
from pointcloud_potree.verifier import verify_octree

positions = np.random.default_rng(1).random((150_000, 3))
positions[0] = 1e5
colours = np.zeros(positions.shape, np.uint8)
cloud = ArrayPoints(positions, {"rgb": colours.astype("<u2"), "gps-time": positions[:, 0].copy()})
for encoding in Encoding:
    for method in sampling.Sampling:
        write_octree(cloud, Path(sys.argv[1]), encoding=encoding, sampling=method, threads=2)
las = laspy.create(point_format=2)
las.xyz = positions
las.write(Path(sys.argv[1]) / "cloud.las")
write_octree(open_points(Path(sys.argv[1]) / "cloud.las"), Path(sys.argv[1]))
verify_octree(Path(sys.argv[1]))
draw_thumbnail(cloud, View(), Path(sys.argv[1]) / "thumbnail.jpg")
modules = (crowding, kernels, sampling)
compiled = [kernel for module in modules for kernel in vars(module).values() if hasattr(kernel, "stats")]
used = [kernel for kernel in compiled if kernel.signatures]
assert kernels.draw_discs in used
assert kernels.place in used
assert sampling.take_spaced in used
assert crowding._count_near in used
assert len(used) >= 15, len(used)
print(sum(sum(kernel.stats.cache_misses.values()) for kernel in used))
"""


def test_a_baked_cache_is_used_where_nothing_can_be_written(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NUMBA_CACHE_LOCATOR_CLASSES": "pointcloud_stage.numba_cache.BakedCacheLocator",
        "NUMBA_CACHE_DIR": str(tmp_path / "kernels"),
        "NUMBA_CPU_NAME": "generic",
    }

    def python(program: str) -> str:
        arguments = [sys.executable, "-c", program, str(tmp_path / "octree")]
        return subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout

    python(COMPILE)
    baked = sorted((tmp_path / "kernels").rglob("*"))
    assert python(CONVERT_WHERE_NOTHING_CAN_BE_WRITTEN).strip() == "0"
    assert sorted((tmp_path / "kernels").rglob("*")) == baked
