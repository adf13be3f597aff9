"""From latitude, longitude and altitude to metres around an origin, and from there to a map's coordinates."""

from typing import Final

import numpy as np
import pycolmap
from pyproj import CRS, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

from pointcloud_api.base import ApiModel
from pointcloud_colmap.orientation import FloatArray

_POLAR: Final = {True: "EPSG:5041", False: "EPSG:5042"}
"""WGS 84 / UPS North and South, where UTM ends: at 84 degrees north and 80 south."""
_ROWS: Final = 1 << 20


class Origin(ApiModel):
    """A place on WGS 84's ellipsoid. Altitude 0: what stands above it has its altitude as z."""

    latitude: float
    longitude: float
    altitude: float = 0.0


def mean_origin(places: FloatArray) -> Origin:
    """The origin amid places (N, 3; degrees, degrees, metres), robustly and in few digits; longitudes may wrap."""
    longitude = places[0, 1] + np.median((places[:, 1] - places[0, 1] + 180) % 360 - 180)
    return Origin(
        latitude=round(float(np.median(places[:, 0])), 6), longitude=round(float((longitude + 180) % 360 - 180), 6)
    )


def local_positions(places: FloatArray, origin: Origin) -> FloatArray:
    """East, north and up (N, 3; metres) of places (N, 3; degrees, degrees, metres)."""
    local: FloatArray = pycolmap.GPSTransform().ellipsoid_to_enu(
        places, origin.latitude, origin.longitude, origin.altitude
    )
    return local


def projected_crs(origin: Origin) -> CRS:
    """The UTM zone of WGS 84 in which the origin lies; near the poles, UPS."""
    at = AreaOfInterest(origin.longitude, origin.latitude, origin.longitude, origin.latitude)
    zones = query_utm_crs_info(datum_name="WGS 84", area_of_interest=at)
    return CRS.from_user_input(f"EPSG:{zones[0].code}" if zones else _POLAR[origin.latitude > 0])


def project(points: FloatArray, origin: Origin, crs: CRS) -> FloatArray:
    """Easting, northing and altitude (N, 3; metres) of points given as east, north and up of the origin."""
    to_map = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    ellipsoid = pycolmap.GPSTransform()
    projected = np.empty_like(points)
    for start in range(0, len(points), _ROWS):
        rows = slice(start, start + _ROWS)
        places = ellipsoid.enu_to_ellipsoid(points[rows], origin.latitude, origin.longitude, origin.altitude)
        projected[rows, 0], projected[rows, 1] = to_map.transform(places[:, 1], places[:, 0])
        projected[rows, 2] = places[:, 2]
    return projected
