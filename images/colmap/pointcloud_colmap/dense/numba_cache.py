"""Lets an image carry this package's kernels compiled, on a read-only file system.

numba asks whether a cache folder can be written before it reads from it, and refuses to cache at all where none can.
This locator leaves that question out. An image sets::

    NUMBA_CACHE_LOCATOR_CLASSES=pointcloud_colmap.dense.numba_cache.BakedCacheLocator
    NUMBA_CACHE_DIR=<folder in the image>

and runs `python -m pointcloud_colmap.dense.numba_cache` while it is built. The cache is keyed by the source's hash and
by the processor it is compiled for: see `compiled.py` for which there are. Nothing is run, as the machine that builds
need not have every instruction.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numba import typeof
from numba.core.caching import UserProvidedCacheLocator

_COMPILE: Final = "from pointcloud_colmap.dense.numba_cache import compile_kernels; compile_kernels()"


class BakedCacheLocator(UserProvidedCacheLocator):
    """The folder of NUMBA_CACHE_DIR, whether or not it can be written."""

    def ensure_cache_path(self) -> None:
        """Make the folder when there is none yet, while the image is built."""
        folder = Path(self.get_cache_path())  # type: ignore[no-untyped-call]
        folder.mkdir(parents=True, exist_ok=True)


class _Compiler:
    """A runner that compiles a kernel for what it is told to run it on."""

    def rows(self, kernel: Callable[..., None], height: int, *arguments: Any) -> None:
        self.whole(kernel, *arguments, 0, height)

    def whole(self, kernel: Any, *arguments: Any) -> None:
        kernel.compile(tuple(map(typeof, arguments)))


def compile_kernels() -> None:
    """Fill the cache for the processor that the environment names, by going through both passes without a result."""
    # Imported here, as numba imports this module while it compiles the first kernel.
    import pycolmap  # noqa: PLC0415

    from pointcloud_colmap.dense.images import Images  # noqa: PLC0415
    from pointcloud_colmap.dense.patch_match import Work, geometric, photometric  # noqa: PLC0415
    from pointcloud_colmap.dense.recipe import Recipe  # noqa: PLC0415
    from pointcloud_colmap.dense.views import DenseView  # noqa: PLC0415

    recipe, runner, names = Recipe(coarsest=64), _Compiler(), ("a", "b", "c")
    views = {
        name: DenseView(
            name=name,
            width=128,
            height=128,
            focal=(128.0, 128.0),
            principal=(63.5, 63.5),
            rotation=np.eye(3),
            translation=np.array([float(index), 0.0, 0.0]),
            nearest=1.0,
            farthest=2.0,
            neighbours=tuple(other for other in names if other != name),
        )
        for index, name in enumerate(names)
    }
    with TemporaryDirectory() as folder:
        workspace = Path(folder)
        (workspace / "images").mkdir()
        for name, view in views.items():
            picture = pycolmap.Bitmap.from_array(np.zeros((view.height, view.width), np.uint8))
            picture.write(workspace / "images" / f"{name}.png")
            (workspace / "images" / f"{name}.png").rename(workspace / "images" / name)
        work = Work(workspace, views, Images(workspace, memory=1 << 20, runner=runner), recipe, runner)
        for name in names:
            photometric(work, views[name])
        geometric(work, views["a"])


def _main() -> None:
    """Compile for every kind of processor, each in a process of its own: numba knows but one."""
    from pointcloud_colmap.dense.compiled import processors  # noqa: PLC0415

    for processor in processors():
        subprocess.run([sys.executable, "-c", _COMPILE], env={**os.environ, **processor}, check=True)


if __name__ == "__main__":
    _main()
