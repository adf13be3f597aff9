"""Lets an image carry compiled kernels on a read-only file system.

numba asks whether a cache folder can be written before it reads from it, and refuses to cache at all where
none can. This locator leaves that question out. An image sets::

    NUMBA_CACHE_LOCATOR_CLASSES=pointcloud_potree.numba_cache.BakedCacheLocator
    NUMBA_CACHE_DIR=<folder in the image>
    NUMBA_CPU_NAME=generic

and runs `python -m pointcloud_potree.numba_cache` while it is built. The cache is keyed by the source's hash
and by the CPU it is compiled for, hence the generic one: compiled on one machine, valid on all of its
architecture.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numba.core.caching import UserProvidedCacheLocator

from pointcloud_api.resource import Encoding


class BakedCacheLocator(UserProvidedCacheLocator):
    """The folder of NUMBA_CACHE_DIR, whether or not it can be written."""

    def ensure_cache_path(self) -> None:
        """Make the folder when there is none yet, while the image is built."""
        folder = Path(self.get_cache_path())  # type: ignore[no-untyped-call]
        folder.mkdir(parents=True, exist_ok=True)


def compile_kernels() -> None:
    """Fill the cache by converting and drawing the smallest cloud that reaches every kernel."""
    # Imported here, as numba imports this module while it compiles the first kernel.
    from pointcloud_potree.nodes import LEAF_CAPACITY  # noqa: PLC0415
    from pointcloud_potree.octree import write_octree  # noqa: PLC0415
    from pointcloud_potree.perspective import View  # noqa: PLC0415
    from pointcloud_potree.thumbnail import draw_thumbnail  # noqa: PLC0415

    positions = np.linspace((0, 0, 0), (1, 1, 1), LEAF_CAPACITY + 1)
    colours = np.zeros(positions.shape, np.uint8)
    with TemporaryDirectory() as folder:
        for encoding in Encoding:
            write_octree(positions, colours, Path(folder), encoding=encoding)
        draw_thumbnail(positions, colours, View(), Path(folder) / "thumbnail.jpg")


if __name__ == "__main__":
    compile_kernels()
