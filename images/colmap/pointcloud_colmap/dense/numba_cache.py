"""Compiles this package's kernels while the image is built, which runs `python -m` this module.

`pointcloud_stage.numba_cache` says where they go, and `compiled.py` for which processors there are some. Nothing is
run, as the machine that builds need not have every instruction.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pycolmap

from pointcloud_colmap.dense.compiled import processors, type_of
from pointcloud_colmap.dense.fusion import Fusion
from pointcloud_colmap.dense.images import Images
from pointcloud_colmap.dense.maps import MapFiles
from pointcloud_colmap.dense.packed import PackedViews
from pointcloud_colmap.dense.patch_match import Work, geometric, photometric
from pointcloud_colmap.dense.recipe import Recipe
from pointcloud_colmap.dense.views import DenseView
from pointcloud_colmap.depth_maps import Pass

_COMPILE: Final = "from pointcloud_colmap.dense.numba_cache import compile_kernels; compile_kernels()"


class _Compiler:
    """A runner that compiles a kernel for what it is told to run it on."""

    def rows(self, kernel: Callable[..., None], height: int, *arguments: Any) -> None:
        self.whole(kernel, *arguments, 0, height)

    def whole(self, kernel: Any, *arguments: Any) -> None:
        kernel.compile(tuple(map(type_of, arguments)))


def compile_kernels() -> None:
    """Fill the cache for the processor that the environment names, by going through all passes without a result."""
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
        for name, view in views.items():  # what the passes have left there is no result
            depth = np.zeros((view.height, view.width), np.float32)
            MapFiles.of(workspace, name, Pass.PHOTOMETRIC).write(depth, np.stack([depth] * 3))
        fusion = Fusion(workspace, views, Pass.PHOTOMETRIC, PackedViews(workspace / "packed", views.values()), runner)
        for _ in fusion.points(views["a"]):
            pass


def _main() -> None:
    """Compile for every kind of processor, each in a process of its own: numba knows but one."""
    for processor in processors():
        subprocess.run([sys.executable, "-c", _COMPILE], env={**os.environ, **processor}, check=True)


if __name__ == "__main__":
    _main()
