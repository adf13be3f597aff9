"""Images of the workspace: grey ones at every scale, kept as long as there is room, and their colours and masks."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pycolmap

from pointcloud_colmap.dense.grids import halve
from pointcloud_colmap.dense.threads import Runner
from pointcloud_colmap.dense.views import DenseView

ByteArray = npt.NDArray[np.uint8]


class Images:
    """Reads images when they are asked for, and forgets those that were not for longest.

    Args:
        workspace: Holds images/ and, where there are any, masks/.
        memory: Bytes that kept images may take; the last one asked for is kept whatever it takes.
        runner: Scales images.
    """

    def __init__(self, workspace: Path, *, memory: int, runner: Runner) -> None:
        self._workspace = workspace
        self._memory = memory
        self._runner = runner
        self._kept: OrderedDict[str, list[ByteArray]] = OrderedDict()

    def scales(self, view: DenseView) -> list[ByteArray]:
        """The image, uint8 (H, W), then each half as large as the one before, down to a few pixels.

        ValueError when the image is not as large as its camera says.
        """
        found = self._kept.pop(view.name, None) or self._read(view)
        self._kept[view.name] = found
        while len(self._kept) > 1 and self._taken() > self._memory:
            self._kept.popitem(last=False)
        return found

    def wanted(self, view: DenseView) -> ByteArray:
        """(H, W): 0 where the image's mask is black, else 1."""
        file = self._workspace / "masks" / f"{view.name}.png"
        if not file.exists():
            return np.ones((view.height, view.width), np.uint8)
        mask = _pixels(file)
        _check_size(file, mask, view)
        return (mask > 0).astype(np.uint8)

    def colours(self, view: DenseView) -> ByteArray:
        """The image, uint8 (H, W, 3), which is not kept. ValueError when it is not as large as its camera says."""
        file = self._workspace / "images" / view.name
        pixels = _pixels(file, as_rgb=True)
        _check_size(file, pixels, view)
        return pixels

    def _taken(self) -> int:
        return sum(scale.nbytes for scales in self._kept.values() for scale in scales)

    def _read(self, view: DenseView) -> list[ByteArray]:
        file = self._workspace / "images" / view.name
        scales = [_pixels(file)]
        _check_size(file, scales[0], view)
        while min(scales[-1].shape) >= 4:
            height, width = scales[-1].shape
            half = np.empty((height // 2, width // 2), np.uint8)
            self._runner.rows(halve, height // 2, scales[-1], half)
            scales.append(half)
        return scales


def _pixels(file: Path, *, as_rgb: bool = False) -> ByteArray:
    """A grey image (H, W), or one in colour (H, W, 3)."""
    bitmap = pycolmap.Bitmap.read(file, as_rgb=as_rgb)
    if bitmap is None:
        raise ValueError(f"{file} cannot be read as an image")
    pixels: ByteArray = bitmap.to_array()
    return pixels


def _check_size(file: Path, pixels: ByteArray, view: DenseView) -> None:
    height, width = pixels.shape[:2]
    if (width, height) != (view.width, view.height):
        raise ValueError(f"{file} has {width}x{height} pixels where its camera has {view.width}x{view.height}")
