"""Draws a small picture of a cloud, by which a person recognises it in a list.

A cloud may be 6,000 points or 20 million. Each point is a disc as large as the distance to its neighbours on the
picture, so that surfaces look closed; discs bulge towards the eye, so that where they overlap each pixel shows the
point that is nearest to it; edges between near and far are darkened, which makes shapes stand out without any normals
(eye-dome lighting). It is drawn at twice the size and scaled down, which smooths the edges.
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from pointcloud_potree import kernels
from pointcloud_potree.perspective import Eye, Floats, Projected, Vector, View
from pointcloud_potree.points import PointSource, blocks_of

SIZE: Final = (640, 400)
"""Width and height in pixels."""
_SUPERSAMPLING: Final = 2
_MOST_POINTS: Final = 1_000_000
"""More points than pixels show nothing more."""
_WINDOWS: Final = (2, 4, 8, 16, 32, 48)
"""Half sides, in drawn pixels, of the squares in which a point's neighbours are counted."""
_NEIGHBOURS: Final = 8
"""So many in a square tell how dense the points are."""
_RADII: Final = (1.1, 16.0)
"""Least and greatest radius of a disc, in drawn pixels."""
_LONE_RADIUS: Final = 2.0
"""Of a point without neighbours, likely a stray."""
_OVERLAP: Final = 2.8
"""Of discs, over the radius at which they would just cover the picture."""
_BULGE: Final = 4.0
_SHADING: Final = 15.0
_DARKEST: Final = 0.35
_QUALITY: Final = 85
# The viewer page's background: radial-gradient(circle at 50% 40%, #262b34, #101318).
_INNER: Final = (0x26, 0x2B, 0x34)
_OUTER: Final = (0x10, 0x13, 0x18)

Picture = npt.NDArray[np.float32]


def draw_thumbnail(source: PointSource, view: View, file: Path) -> None:
    """Write a JPEG of `SIZE`. The same points and view give the same bytes.

    Args:
        source: Of any number of points with colours, of which at most `_MOST_POINTS` are in memory. Those that are not
            finite are left out.
        view: Where to look from.
        file: Written.

    Raises:
        ValueError: There is no point to be seen.
    """
    positions, colours = _sample(source)
    if not len(positions):
        raise ValueError("there is no point with finite coordinates")
    width, height = (side * _SUPERSAMPLING for side in SIZE)
    points = Eye.of(view, positions).project(positions, width=width, height=height)
    depth = np.full((height, width), np.inf, np.float32)
    owner = np.full((height, width), -1, np.int32)
    kernels.draw_discs(
        points.x, points.y, points.depth, _radii(points, width, height), _BULGE / points.focal, depth, owner
    )
    picture = _background(width, height)
    drawn = owner >= 0
    picture[drawn] = colours[points.rows[owner[drawn]]] * _shade(depth)[drawn, None]
    _save(picture, file)


def _sample(source: PointSource) -> tuple[Vector, npt.NDArray[np.uint8]]:
    """Positions (N, 3) and 8-bit colours (N, 3) of every so-manieth point, the finite ones of them."""
    step = -(-source.count // _MOST_POINTS) or 1
    first = 0
    positions, colours = [np.empty((0, 3))], [np.empty((0, 3), np.uint8)]
    for block in blocks_of(source):
        places = block.positions[first::step]
        finite = np.isfinite(places).all(axis=1)
        positions.append(places[finite])
        colours.append((block.attributes["rgb"][first::step][finite] >> 8).astype(np.uint8))
        first = (first - len(block.positions)) % step
    return np.concatenate(positions), np.concatenate(colours)


def _radii(points: Projected, width: int, height: int) -> Floats:
    """How large a disc each point needs to close the gaps to its neighbours, by the smallest square with enough."""
    beyond = max(_WINDOWS) + max(width, height) // 10
    columns, rows = points.x.astype(np.int64) + beyond, points.y.astype(np.int64) + beyond
    shape = height + 2 * beyond, width + 2 * beyond
    counts = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)
    sums = np.pad(counts.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    radii = np.full(len(points.x), _LONE_RADIUS, np.float32)
    waiting = np.arange(len(points.x))
    for half in _WINDOWS:
        left, upper = columns[waiting] - half, rows[waiting] - half
        right, lower = left + 2 * half + 1, upper + 2 * half + 1
        inside = sums[lower, right] - sums[upper, right] - sums[lower, left] + sums[upper, left]
        enough = inside >= _NEIGHBOURS
        radii[waiting[enough]] = _OVERLAP * (2 * half + 1) / np.sqrt(np.pi * inside[enough])
        waiting = waiting[~enough]
    return np.clip(radii, *_RADII)


def _shade(depth: Picture) -> Picture:
    """How bright each pixel is, 0 to 1: the darker, the nearer its neighbours are than itself."""
    drawn = np.isfinite(depth)
    log_depth = np.log2(np.where(drawn, depth, depth[drawn].max()))
    padded = np.pad(log_depth, _SUPERSAMPLING, mode="edge")
    height, width = depth.shape
    nearer = np.zeros_like(depth)
    steps = (0, _SUPERSAMPLING, 2 * _SUPERSAMPLING)
    for down, right in ((d, r) for d in steps for r in steps if (d, r) != (_SUPERSAMPLING, _SUPERSAMPLING)):
        nearer += np.maximum(0, log_depth - padded[down : down + height, right : right + width])
    brightness: Picture = np.maximum(np.exp(-_SHADING * nearer / 8), _DARKEST)
    return brightness


def _background(width: int, height: int) -> Picture:
    down, right = np.ogrid[:height, :width]
    radius = np.hypot(0.5 * width, 0.6 * height)
    share = np.hypot(right - 0.5 * width, down - 0.4 * height)[..., None] / radius
    picture: Picture = (np.array(_INNER) * (1 - share) + np.array(_OUTER) * share).astype(np.float32)
    return picture


def _save(picture: Picture, file: Path) -> None:
    height, width, _ = picture.shape
    blocks = picture.reshape(height // _SUPERSAMPLING, _SUPERSAMPLING, width // _SUPERSAMPLING, _SUPERSAMPLING, 3)
    levels = np.clip(np.rint(blocks.mean(axis=(1, 3))), 0, 255).astype(np.uint8)
    # Without subsampling, which would take small dots their colour.
    Image.fromarray(levels).save(file, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
