"""What blur takes of a photo's sharpness, beside how much sharp photos of one set differ.

    python -m tools.bench.sharpness FOLDER... [--blurs 1,2]

Each folder is a set of sharp photos. A blur is the standard deviation of a Gaussian, in pixels of a photo of 1600.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import pycolmap
from numpy.typing import NDArray

from pointcloud_colmap.sharpness import sharpness

_WIDTH: Final = 1600


def blurred(grey: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """The picture (H, W) through a Gaussian of that standard deviation in pixels."""
    reach = int(np.ceil(4 * sigma))
    weights = np.exp(-((np.arange(-reach, reach + 1) / sigma) ** 2) / 2)
    soft = grey.astype(np.float32)
    for axis in (0, 1):
        shifted = (weight * np.roll(soft, step, axis) for step, weight in enumerate(weights, start=-reach))
        soft = np.asarray(sum(shifted) / weights.sum(), np.float32)
    inner: NDArray[np.uint8] = np.round(soft[reach:-reach, reach:-reach]).astype(np.uint8)
    return inner


def measured(photo: Path, sigmas: list[float], folder: Path) -> tuple[float, list[float]]:
    """The photo's sharpness, and what is left of it after each blur."""
    bitmap = pycolmap.Bitmap.read(photo, as_rgb=False)
    if bitmap is None:
        raise SystemExit(f"{photo} cannot be read as a photo")
    scale = _WIDTH / max(bitmap.width, bitmap.height)
    if scale < 1:
        size = round(bitmap.width * scale), round(bitmap.height * scale)
        bitmap.rescale(*size, pycolmap.BitmapRescaleFilter.BOX)
    left = []
    for sigma in (0.0, *sigmas):
        grey = bitmap.to_array()
        pycolmap.Bitmap.from_array(blurred(grey, sigma) if sigma else grey).write(folder / "soft.bmp")
        left.append(sharpness(folder / "soft.bmp") or 0.0)
    return sharpness(photo) or 0.0, [one / left[0] for one in left[1:]]


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--blurs", default="1,2")
    options = parser.parse_args()
    sigmas = [float(blur) for blur in options.blurs.split(",")]
    with tempfile.TemporaryDirectory() as name:
        for folder in options.folders:
            photos = sorted(file for file in folder.iterdir() if file.suffix.lower() in {".jpg", ".jpeg", ".png"})
            own, left = zip(*(measured(photo, sigmas, Path(name)) for photo in photos), strict=True)
            print(
                f"{folder.name}: {len(photos)} photos, the least sharp has {min(own) / median(own):.2f} of the median"
            )
            for sigma, some in zip(sigmas, zip(*left, strict=True), strict=True):
                print(f"  blurred by {sigma:g} pixels: {min(some):.2f} to {max(some):.2f} of their own", flush=True)


if __name__ == "__main__":
    main()
