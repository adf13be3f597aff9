"""Turns cast rays into photos as a camera would leave them: sensor noise, sRGB, JPEG, EXIF."""

import hashlib
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from tools.scene.camera import Camera, FloatArray, Truth
from tools.scene.paths import orbit
from tools.scene.raycast import Solids, cast
from tools.scene.ruin import EXTENT, ruin

PHOTOS: Final = 20
WIDTH: Final = 1000

_NOISE: Final = 1.5
"""Standard deviation of the sensor noise in grey levels of 255."""
_QUALITY: Final = 92
_SENSOR_WIDTH_MM: Final = 17.3
"""Micro Four Thirds, whose crop factor is 2."""


def _srgb(linear: FloatArray) -> FloatArray:
    """Encode linear colour (IEC 61966-2-1), clipping what is brighter than white."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def develop(linear: FloatArray, *, seed: int) -> NDArray[np.uint8]:
    """Give the 8-bit image (height, width, 3) of linear light of the same shape."""
    levels = 255 * _srgb(linear) + np.random.default_rng(seed).normal(0, _NOISE, linear.shape)
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def exif(camera: Camera) -> Image.Exif:
    """Describe the camera as a real one does; COLMAP takes its first guess of the focal length from this."""
    tags = Image.Exif()
    tags[ExifTags.Base.Make] = "Pointcloud"
    tags[ExifTags.Base.Model] = "Rendered Scene"
    millimetres = camera.focal / camera.width * _SENSOR_WIDTH_MM
    details = tags.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.FocalLength] = round(millimetres, 2)
    details[ExifTags.Base.FocalLengthIn35mmFilm] = round(2 * millimetres)
    details[ExifTags.Base.ExifImageWidth] = camera.width
    details[ExifTags.Base.ExifImageHeight] = camera.height
    return tags


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What to photograph, and from where."""

    solids: Solids
    extent: float
    """Diameter in metres."""
    cameras: tuple[Camera, ...]
    tells: bool = True
    """Whether the photos have EXIF, which a video's frames have not."""


def take(solids: Solids, camera: Camera, path: Path, *, seed: int, tells: bool = True) -> None:
    """Photograph the solids into a JPEG file."""
    image = Image.fromarray(develop(cast(solids, camera), seed=seed))
    image.save(path, "JPEG", quality=_QUALITY, subsampling=0, exif=exif(camera) if tells else Image.Exif())


def _generator(scene: Scene) -> str:
    """Identify what the photos depend on beside the cameras: this package's code, and what stands in the scene."""
    digest = hashlib.sha256(f"{scene.tells}".encode())
    for source in ("camera.py", "raycast.py", "photos.py"):
        digest.update(Path(__file__).with_name(source).read_bytes())
    for array in scene.solids:
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def write(
    folder: Path,
    *,
    photos: int = PHOTOS,
    width: int = WIDTH,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Truth:
    """Render photos once around the ruin; as `render`."""
    scene = Scene(solids=ruin(), extent=EXTENT, cameras=orbit(photos=photos, width=width))
    return render(folder, scene, progress=progress)


def render(folder: Path, scene: Scene, *, progress: Callable[[int, int], None] = lambda _done, _total: None) -> Truth:
    """Render photos into folder/photos and folder/truth/cameras.json, unless the same are there already.

    `progress` is called with the number of photos done and in all. The truth is written last: where it is, the photos
    are whole.
    """
    record = folder / "truth" / "cameras.json"
    truth = Truth(generator=_generator(scene), extent=scene.extent, cameras=scene.cameras)
    if record.exists() and record.read_text(encoding="utf-8") == truth.to_json():
        return truth
    record.unlink(missing_ok=True)
    target = folder / "photos"
    target.mkdir(parents=True, exist_ok=True)
    for pattern in {re.sub(r"\d", "[0-9]", camera.name) for camera in scene.cameras}:
        for stale in target.glob(pattern):
            stale.unlink()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(take, scene.solids, camera, target / camera.name, seed=index, tells=scene.tells)
            for index, camera in enumerate(scene.cameras)
        ]
        for done, job in enumerate(jobs, start=1):
            job.result()
            progress(done, len(jobs))
    truth.write(record)
    return truth
