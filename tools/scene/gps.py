"""Writes GPS positions into photos as a camera's receiver does, off by as much as asked for.

The scene's axes are taken to be east, north and up of a place on the earth. PROJ turns them into latitude and
longitude, independently of what is tested with the photos.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational
from pyproj import Transformer

from tools.scene.camera import FloatArray, Truth

PLACE: Final = (47.376887, 8.541694, 408.0)
"""Latitude, longitude (degrees) and altitude (metres) of the scene's origin."""
_PARTS: Final = 1_000_000
"""Of a second of arc, and of a metre: 0.03 mm and less."""


def geotag(  # noqa: PLR0913 - from where, to where, and how wrong, by keyword
    photos: Path,
    to: Path,
    truth: Truth,
    *,
    noise: float = 0.0,
    altered: Callable[[FloatArray], FloatArray] = lambda places: places,
    seed: int = 0,
) -> FloatArray:
    """Copy a scene's photos with GPS positions; give the places (N, 3) that were written, in the order of the cameras.

    Args:
        photos: Folder of the photos, which stay as they are.
        to: Folder of the copies.
        truth: The cameras.
        noise: Standard deviation in metres along each axis.
        altered: What to write instead of places (N, 3; degrees, degrees, metres).
        seed: Of the noise.
    """
    centres = np.array([camera.centre for camera in truth.cameras])
    centres += np.random.default_rng(seed).normal(0, noise, centres.shape) if noise else 0
    written = altered(on_earth(centres))
    to.mkdir(parents=True, exist_ok=True)
    for camera, place in zip(truth.cameras, written, strict=True):
        with Image.open(photos / camera.name) as photo:
            exif = photo.getexif()
            exif.get_ifd(ExifTags.IFD.GPSInfo).update(_tags(*place))
            photo.save(to / camera.name, quality="keep", exif=exif)
    return written


def on_earth(points: FloatArray) -> FloatArray:
    """Latitude and longitude in degrees and altitude in metres (N, 3) of points of the scene (N, 3)."""
    latitude, longitude, altitude = PLACE
    pipeline = (
        f"+proj=pipeline +step +inv +proj=topocentric +ellps=WGS84 +lat_0={latitude} +lon_0={longitude} "
        f"+h_0={altitude} +step +inv +proj=cart +ellps=WGS84 +step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
    x, y, z = points.T
    longitudes, latitudes, altitudes = Transformer.from_pipeline(pipeline).transform(x, y, z)
    return np.column_stack([latitudes, longitudes, altitudes])


def in_the_scene(local: FloatArray, origin: FloatArray) -> FloatArray:
    """Points of the scene (N, 3) that are east, north and up (N, 3; metres) of a place on the earth.

    `origin` (3,) is its latitude and longitude in degrees and its altitude in metres.
    """
    latitude, longitude, altitude = origin
    pipeline = (
        f"+proj=pipeline +step +inv +proj=topocentric +ellps=WGS84 +lat_0={latitude} +lon_0={longitude} +h_0={altitude}"
    )
    east, north, up = local.T
    geocentric = np.column_stack(Transformer.from_pipeline(pipeline).transform(east, north, up))
    axes = Transformer.from_pipeline("+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart")
    corners = on_earth(np.vstack([np.zeros(3), np.eye(3)]))
    zero, *unit = np.column_stack(axes.transform(corners[:, 1], corners[:, 0], corners[:, 2]))
    scene: FloatArray = (geocentric - zero) @ np.linalg.inv(np.array(unit) - zero)
    return scene


def _tags(latitude: float, longitude: float, altitude: float) -> dict[int, object]:
    return {
        ExifTags.GPS.GPSLatitudeRef: "N" if latitude >= 0 else "S",
        ExifTags.GPS.GPSLatitude: _sexagesimal(abs(latitude)),
        ExifTags.GPS.GPSLongitudeRef: "E" if longitude >= 0 else "W",
        ExifTags.GPS.GPSLongitude: _sexagesimal(abs(longitude)),
        ExifTags.GPS.GPSAltitudeRef: b"\x00" if altitude >= 0 else b"\x01",
        ExifTags.GPS.GPSAltitude: IFDRational(round(abs(altitude) * _PARTS), _PARTS),
    }


def _sexagesimal(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    minutes, seconds = divmod(degrees * 3600, 60)
    return (
        IFDRational(int(minutes // 60), 1),
        IFDRational(int(minutes % 60), 1),
        IFDRational(round(seconds * _PARTS), _PARTS),
    )
