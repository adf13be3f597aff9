"""Brings the photos of the ingest stage with their masks, and decides which of them share a camera."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import pycolmap

from pointcloud_api.resource import CameraSharing
from pointcloud_api.stages import PHOTO_MANIFEST, Photo, PhotoManifest, ReconstructDocument
from pointcloud_stage import Reporter, StageContext
from pointcloud_stage.limits import cpu_limit

_FOLDER: Final = "images"
"""Photos lie below it in the ingest stage's folder; COLMAP names a photo by its path from there."""
_MASKS: Final = "masks"


@dataclass(frozen=True, kw_only=True)
class Photos:
    """The photos of one reconstruction, on local disk."""

    folder: Path
    by_name: Mapping[str, Photo]
    """In the manifest's order; a name is the path relative to the folder, as COLMAP has it."""
    masks: Path | None = None
    """Holds a mask for each photo, as `<name>.png`; None where no photo has one."""

    @property
    def names(self) -> tuple[str, ...]:
        """In the manifest's order."""
        return tuple(self.by_name)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each, in pixels."""
        return [(photo.width, photo.height) for photo in self.by_name.values()]

    def origin(self, name: str) -> str:
        """A digest of what the photo's features are made from: the photo, and its mask."""
        photo = self.by_name[name]
        return photo.sha256 if photo.mask is None else f"{photo.sha256}-{photo.mask.sha256}"


@dataclass(frozen=True, kw_only=True)
class CameraGroup:
    """Photos to hand to COLMAP in one call, with how they share cameras."""

    mode: pycolmap.CameraMode
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Header:
    """What one photo says of its camera; `shape` is None when COLMAP cannot read the photo."""

    name: str
    shape: tuple[int, int] | None
    camera: str | None


def fetch_photos(context: StageContext[ReconstructDocument]) -> Photos:
    """Bring the photos that the manifest lists, reporting the step `download`."""
    below = context.scratch / "upstream"
    manifest = PhotoManifest.model_validate_json(context.fetch(PHOTO_MANIFEST, below / PHOTO_MANIFEST).read_bytes())
    masks = [photo.mask for photo in manifest.photos if photo.mask is not None]
    context.fetch_files([*manifest.photos, *masks], to=below, step="download")
    by_name = {_name(photo): photo for photo in manifest.photos}
    if masks:
        _mask_the_rest(by_name, below / _MASKS)
    return Photos(folder=below / _FOLDER, by_name=by_name, masks=below / _MASKS if masks else None)


def _mask_the_rest(photos: Mapping[str, Photo], folder: Path) -> None:
    """Give each photo without a mask a white one, because COLMAP leaves out a photo whose mask is missing."""
    whites: dict[tuple[int, int], Path] = {}
    for name, photo in photos.items():
        if photo.mask is not None:
            continue
        size = (photo.width, photo.height)
        if size not in whites:
            whites[size] = folder.parent / f"white-{photo.width}x{photo.height}.png"
            white = np.full((photo.height, photo.width), 255, np.uint8)
            pycolmap.Bitmap.from_array(white).write(whites[size])
        mask = folder / f"{name}.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.symlink_to(whites[size])


def _name(photo: Photo) -> str:
    return photo.path.removeprefix(f"{_FOLDER}/")


def group_by_camera(photos: Photos, sharing: CameraSharing, progress: Reporter) -> list[CameraGroup]:
    """Group the photos that COLMAP can read by which share a camera, reporting the step `inspect`.

    With AUTO, photos of equal make, model, focal length and size share a camera: COLMAP's AUTO does that by EXIF. Of
    photos without EXIF it would make a camera each, too loose for a steady solution; here those of equal size in one
    folder share one, so that the frames of a video do, and two videos keep their own. SINGLE makes one of all photos
    of one size, because a calibration is in pixels. COLMAP works in the pixels as stored, so a camera that EXIF says
    was held upright shares with itself held level.
    """
    headers = []
    with ThreadPoolExecutor(cpu_limit()) as pool:
        for done, header in enumerate(pool.map(lambda name: _header(photos.folder, name), photos.names), start=1):
            headers.append(header)
            progress.update("inspect", done, len(photos.names), "images")
    return _groups([header for header in headers if header.shape], sharing)


def _header(folder: Path, name: str) -> _Header:
    bitmap = pycolmap.Bitmap.read(folder / name, as_rgb=False)  # grey is decoded in two thirds of the time
    if bitmap is None:
        return _Header(name, None, None)
    return _Header(name, (bitmap.width, bitmap.height), bitmap.exif_camera_model())


def _groups(headers: Sequence[_Header], sharing: CameraSharing) -> list[CameraGroup]:
    if sharing is CameraSharing.PER_IMAGE:
        return _of_mode(pycolmap.CameraMode.PER_IMAGE, headers)
    known = [header for header in headers if header.camera and sharing is CameraSharing.AUTO]
    alike: defaultdict[tuple[object, ...], list[_Header]] = defaultdict(list)
    for header in headers:
        if sharing is CameraSharing.SINGLE:
            alike[header.shape,].append(header)
        elif not header.camera:
            alike[PurePosixPath(header.name).parent, header.shape].append(header)
    # Every call with SINGLE makes one camera of its own, so a group must not be split between calls.
    groups = [_of_mode(pycolmap.CameraMode.SINGLE, some) for some in alike.values()]
    return sum(groups, _of_mode(pycolmap.CameraMode.AUTO, known))


def _of_mode(mode: pycolmap.CameraMode, headers: Sequence[_Header]) -> list[CameraGroup]:
    return [CameraGroup(mode=mode, names=tuple(header.name for header in headers))] if headers else []
