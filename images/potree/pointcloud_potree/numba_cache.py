"""Compiles the kernels while the image is built, which runs `python -m pointcloud_potree.numba_cache`.

`pointcloud_stage.numba_cache` says where they go. The image sets NUMBA_CPU_NAME=generic, so that what is compiled on
one machine is valid on all of its architecture.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import laspy
import numpy as np

from pointcloud_api.resource import Encoding
from pointcloud_potree.branches import LEAF_CAPACITY
from pointcloud_potree.inputs import ArrayPoints, open_points
from pointcloud_potree.octree import write_octree
from pointcloud_potree.perspective import View
from pointcloud_potree.sampling import Sampling
from pointcloud_potree.thumbnail import draw_thumbnail
from pointcloud_potree.verifier import verify_octree


def compile_kernels() -> None:
    """Fill the cache by converting and drawing the smallest clouds that reach every kernel."""
    positions = np.linspace((0, 0, 0), (1, 1, 1), LEAF_CAPACITY + 1)
    colours = np.zeros(positions.shape, np.uint8)
    cloud = ArrayPoints(positions, {"rgb": colours.astype("<u2"), "classification": colours[:, 0].copy()})
    with TemporaryDirectory() as folder:
        for encoding in Encoding:
            for sampling in Sampling:
                write_octree(cloud, Path(folder), encoding=encoding, sampling=sampling)
        las = laspy.create(point_format=2)
        las.xyz = positions
        las.write(Path(folder) / "cloud.las")
        write_octree(open_points(Path(folder) / "cloud.las"), Path(folder))
        verify_octree(Path(folder))
        draw_thumbnail(ArrayPoints.coloured(positions, colours), View(), Path(folder) / "thumbnail.jpg")


if __name__ == "__main__":
    compile_kernels()
