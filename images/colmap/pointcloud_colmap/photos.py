"""Brings the photos of the ingest stage and decides which of them share a camera."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.stages import PHOTO_MANIFEST, Photo, PhotoManifest, ReconstructDocument
from pointcloud_stage import Reporter, StageContext
from pointcloud_stage.limits import cpu_limit

_FOLDER: Final = "images"
"""Photos lie below it in the ingest stage's folder; COLMAP names a photo by its path from there."""


@dataclass(frozen=True, kw_only=True)
class Photos:
    """The photos of one reconstruction, on local disk."""

    folder: Path
    sizes: dict[str, tuple[int, int]]
    """Width and height in pixels by name; a name is the path relative to the folder."""

    @property
    def names(self) -> tuple[str, ...]:
        """In the manifest's order."""
        return tuple(self.sizes)


@dataclass(frozen=True, kw_only=True)
class CameraGroup:
    """Photos to hand to COLMAP in one call, with how they share cameras."""

    mode: pycolmap.CameraMode
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Header:
    """What one photo says of its camera; `shape` is None when COLMAP cannot read the photo."""

    name: str
    shape: tuple[int, int, int | None] | None
    camera: str | None


def fetch_photos(context: StageContext[ReconstructDocument]) -> Photos:
    """Bring the photos that the manifest lists, reporting the step `download`."""
    below = context.scratch / "upstream"
    manifest = PhotoManifest.model_validate_json(context.fetch(PHOTO_MANIFEST, below / PHOTO_MANIFEST).read_bytes())
    context.fetch_files(manifest.photos, to=below, step="download")
    return Photos(
        folder=below / _FOLDER,
        sizes={_name(photo): (photo.width, photo.height) for photo in manifest.photos},
    )


def _name(photo: Photo) -> str:
    return photo.path.removeprefix(f"{_FOLDER}/")


def group_by_camera(photos: Photos, progress: Reporter) -> list[CameraGroup]:
    """Group the photos that COLMAP can read by what they tell of their cameras, reporting the step `inspect`.

    Photos of equal make, model, focal length and size share a camera: COLMAP's AUTO does that by EXIF. Of photos
    without EXIF it would make a camera each, too loose for a steady solution; here those of equal size share one.
    """
    headers = []
    with ThreadPoolExecutor(cpu_limit()) as pool:
        for done, header in enumerate(pool.map(lambda name: _header(photos.folder, name), photos.names), start=1):
            headers.append(header)
            progress.update("inspect", done, len(photos.names), "images")
    return _groups(headers)


def _header(folder: Path, name: str) -> _Header:
    bitmap = pycolmap.Bitmap.read(folder / name, as_rgb=True)
    if bitmap is None:
        return _Header(name, None, None)
    shape = (bitmap.width, bitmap.height, bitmap.exif_orientation())
    return _Header(name, shape, bitmap.exif_camera_model())


def _groups(headers: Sequence[_Header]) -> list[CameraGroup]:
    known = tuple(header.name for header in headers if header.shape and header.camera)
    anonymous: defaultdict[tuple[int, int, int | None], list[str]] = defaultdict(list)
    for header in headers:
        if header.shape and not header.camera:
            anonymous[header.shape].append(header.name)
    by_exif = [CameraGroup(mode=pycolmap.CameraMode.AUTO, names=known)] if known else []
    # Every call with SINGLE makes one camera of its own, so a group must not be split between calls.
    return by_exif + [CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=tuple(names)) for names in anonymous.values()]
