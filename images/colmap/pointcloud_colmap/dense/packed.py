"""Maps and photos of all views in files that are mapped into memory: fusion looks at few views at a time.

What is mapped is read when it is looked at, and the kernel may forget it again, so that a thousand views take no more
memory than a dozen. Files are written by plain writes, because what is written to a mapped file when the volume is full
ends the process.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pointcloud_colmap.dense.agreement import FREE, MASKED, UNIT, Pixels
from pointcloud_colmap.dense.views import DenseView

_FIELDS: Final[dict[str, tuple[str, tuple[int, ...]]]] = {
    "depth": ("<f4", ()),
    "normal": ("<i2", (3,)),
    "colour": ("u1", (3,)),
    "state": ("u1", ()),
}
"""Of `Pixels`: what each is in its file, and how many of it a pixel has."""
_ROWS: Final = 256
"""Rows that are converted at a time."""


class PackedViews:
    """The files, which take 14 bytes a pixel.

    Args:
        folder: Is made.
        views: All there are to be.
    """

    def __init__(self, folder: Path, views: Iterable[DenseView]) -> None:
        self._folder = folder
        self._starts: dict[str, int] = {}
        self._pixels = 0
        for view in views:
            self._starts[view.name] = self._pixels
            self._pixels += view.width * view.height
        folder.mkdir(parents=True)
        for field, (kind, more) in _FIELDS.items():
            with (folder / field).open("wb") as file:
                file.truncate(self._pixels * int(np.dtype((kind, more)).itemsize))

    def start(self, view: DenseView) -> int:
        """Where a view's pixels begin."""
        return self._starts[view.name]

    def write(self, view: DenseView, depth: Any, normal: Any, colour: Any, wanted: Any) -> None:
        """Put a view in: float32 (H, W) and (3, H, W), uint8 (H, W, 3) and (H, W), which is 0 where masked."""
        for top in range(0, view.height, _ROWS):
            rows = slice(top, min(top + _ROWS, view.height))
            self._write(view, top, "depth", depth[rows])
            self._write(view, top, "normal", np.rint(normal[:, rows] * np.float32(UNIT)).transpose(1, 2, 0))
            self._write(view, top, "colour", colour[rows])
            self._write(view, top, "state", np.where(wanted[rows] > 0, FREE, MASKED))

    def mapped(self) -> Pixels:
        """All of it; to be let go of soon, as what was looked at counts as the process's memory until then."""
        return Pixels(**{field: self._mapped(field, kind, more) for field, (kind, more) in _FIELDS.items()})

    def _mapped(self, field: str, kind: str, more: tuple[int, ...]) -> npt.NDArray[Any]:
        # As a plain array, which kernels are compiled for; it holds the file by its base.
        return np.asarray(np.memmap(self._folder / field, kind, "r+", shape=(self._pixels, *more)))

    def _write(self, view: DenseView, top: int, field: str, rows: npt.NDArray[Any]) -> None:
        kind, more = _FIELDS[field]
        with (self._folder / field).open("r+b") as file:
            file.seek((self.start(view) + top * view.width) * int(np.dtype((kind, more)).itemsize))
            np.ascontiguousarray(rows, kind).tofile(file)
