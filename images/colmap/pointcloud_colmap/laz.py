"""`points.laz`: the cloud as surveyors' programs read it, on the map where its place on the earth is known."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

import laspy
import numpy as np

from pointcloud_colmap.georeference import Georeference
from pointcloud_colmap.orientation import FloatArray
from pointcloud_colmap.projection import project
from pointcloud_colmap.rows import Rows

_MILLIMETRE: Final = 0.001
_STEPS: Final = 1e6
"""Into which the extent of a cloud without a scale is divided at least: half a hundredth of a pixel of the photos."""
_MOST_STEPS: Final = 2.0**31 - 1
_ROWS: Final = 1 << 18


def write_laz(positions: Rows, colours: Rows, file: Path, *, georeference: Georeference | None) -> None:
    """Write LAS 1.4 (https://www.asprs.org/a/society/committees/standards/LAS_1_4_r15.pdf), compressed.

    Args:
        positions: (N, 3) east, north and up in metres where there is a georeference, else in any unit.
        colours: (N, 3).
        file: Written.
        georeference: Gives coordinates of its CRS, to the millimetre, and the CRS itself as WKT in a VLR.
    """
    header = laspy.LasHeader(version="1.4", point_format=7)
    header.generating_software = "pointcloud-operator"
    corners = _corners(positions)
    if georeference is not None:
        corners = project(corners, georeference.origin, georeference.projected())
        header.add_crs(georeference.projected())
    low = corners.min(axis=0)
    extent = float(np.ptp(corners, axis=0).max())
    step = _MILLIMETRE if georeference is not None else 10.0 ** np.floor(np.log10((extent or 1.0) / _STEPS))
    step = max(step, extent / _MOST_STEPS)
    header.scales = np.full(3, step)
    header.offsets = np.floor(low / (1000 * step)) * 1000 * step
    with laspy.open(file, mode="w", header=header, do_compress=True) as writer:
        for rows in _slices(len(positions)):
            places = positions[rows]
            if georeference is not None:
                places = project(places, georeference.origin, georeference.projected())
            record = laspy.ScaleAwarePointRecord.zeros(len(places), header=header)
            record.x, record.y, record.z = places.T
            # LAS has 16 bits a channel, of which 255 is to be the brightest.
            record.red, record.green, record.blue = colours[rows].T.astype(np.uint16) * 257
            writer.write_points(record)


def _corners(positions: Rows) -> FloatArray:
    """(8, 3): of the box that holds all."""
    ends = [(part.min(axis=0), part.max(axis=0)) for part in (positions[rows] for rows in _slices(len(positions)))]
    low, high = np.min([low for low, _ in ends], axis=0), np.max([high for _, high in ends], axis=0)
    corners: FloatArray = np.array(list(product(*zip(low, high, strict=True))))
    return corners


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS) for start in range(0, count, _ROWS))
