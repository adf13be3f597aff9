"""Decides which photos share a camera."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import pycolmap

from pointcloud_api.resource import CameraSharing
from pointcloud_colmap.exif import Shot
from pointcloud_colmap.photos import Photos


@dataclass(frozen=True, kw_only=True)
class CameraGroup:
    """Photos to hand to COLMAP in one call, with how they share cameras."""

    mode: pycolmap.CameraMode
    names: tuple[str, ...]


def group_by_camera(photos: Photos, shots: Mapping[str, Shot], sharing: CameraSharing) -> list[CameraGroup]:
    """Group the photos by which share a camera; `shots` are what their EXIF says, by name.

    With AUTO, photos of equal make, model, focal length and size share a camera: COLMAP's AUTO does that by EXIF. Of
    photos without EXIF it would make a camera each, too loose for a steady solution; here those of equal size in one
    folder share one, so that the frames of a video do, and two videos keep their own. SINGLE makes one of all photos
    of one size, because a calibration is in pixels. COLMAP works in the pixels as stored, so a camera that EXIF says
    was held upright shares with itself held level.

    What a photo says is enough: ingest has decoded it and told its size, and COLMAP leaves out what it cannot read.
    """
    if sharing is CameraSharing.PER_IMAGE:
        return _of_mode(pycolmap.CameraMode.PER_IMAGE, photos.names)
    known = [name for name in photos.names if shots[name].camera and sharing is CameraSharing.AUTO]
    alike: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
    for name, photo in photos.by_name.items():
        size = (photo.width, photo.height)
        if sharing is CameraSharing.SINGLE:
            alike[size,].append(name)
        elif not shots[name].camera:
            alike[PurePosixPath(name).parent, size].append(name)
    # Every call with SINGLE makes one camera of its own, so a group must not be split between calls.
    groups = [_of_mode(pycolmap.CameraMode.SINGLE, some) for some in alike.values()]
    return sum(groups, _of_mode(pycolmap.CameraMode.AUTO, known))


def _of_mode(mode: pycolmap.CameraMode, names: Iterable[str]) -> list[CameraGroup]:
    return [CameraGroup(mode=mode, names=some)] if (some := tuple(names)) else []
