"""Lets an image carry compiled kernels on a read-only file system; for images with numba alone.

numba asks whether a cache folder can be written before it reads from it, and refuses to cache at all where none can.
This locator leaves that question out. An image sets::

    NUMBA_CACHE_LOCATOR_CLASSES=pointcloud_stage.numba_cache.BakedCacheLocator
    NUMBA_CACHE_DIR=<folder in the image>

and compiles its kernels while it is built. The cache is keyed by the source's hash and by the processor it is compiled
for. numba imports this module while it compiles the first kernel.
"""

from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator


class BakedCacheLocator(UserProvidedCacheLocator):
    """The folder of NUMBA_CACHE_DIR, whether or not it can be written."""

    def ensure_cache_path(self) -> None:
        """Make the folder when there is none yet, while the image is built."""
        folder = Path(self.get_cache_path())  # type: ignore[no-untyped-call]
        folder.mkdir(parents=True, exist_ok=True)
