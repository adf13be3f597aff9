"""Brings the photos of the ingest stage with their masks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pycolmap

from pointcloud_api.stages import PHOTO_MANIFEST, Photo, PhotoManifest, ReconstructDocument
from pointcloud_stage import StageContext

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
