"""The loop that makes points of depth maps, compiled by numba: a pixel that enough other views agree with is one.

Another view *agrees* with a pixel when the depth that it has where the pixel's point falls is nearly the point's, and
comes back to the pixel. The point is the mean of what all that agree take it to be, and their pixels are used up: they
make no point of their own when their view's turn comes.

A view's pixels are used up by other views alone, and only before its turn; so it matters neither in which order its
pixels are gone through, nor by how many threads.

All indices are of pixels, and a map's value is of where its index is; see `fusion.py` for where that is in the photo.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pointcloud_colmap.dense.compiled import compiled, inner

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]
IndexArray = npt.NDArray[np.int64]

FREE: Final = 0
"""The state of a pixel that has made no point yet."""
USED: Final = 1
MASKED: Final = 2
"""The state of one that nothing is made of."""
UNIT: Final = 32767
"""What a normal's length of 1 is in `Pixels`."""

_F = np.float32
_DEPTH: Final = _F(0.01)
"""Share of the depth by which views that agree may differ."""
_PIXEL: Final = _F(1.0)
"""Pixels by which a depth may miss where it comes back to."""
_STEEPEST: Final = _F(0.05)
"""Share by which a depth is let to change within half a pixel."""
_AHEAD: Final = _F(1e-6)
_TINY: Final = _F(1e-12)


class Pixels(NamedTuple):
    """Maps and photos of all views, the P pixels of one following those of another."""

    depth: FloatArray
    """(P,) along the optical axis, 0 where unknown."""
    normal: npt.NDArray[np.int16]
    """(P, 3) in the view's own camera, of length UNIT."""
    colour: ByteArray
    """(P, 3)"""
    state: ByteArray
    """(P,) FREE, USED or MASKED."""


class Reference(NamedTuple):
    """The view whose turn it is."""

    start: int
    """Where its pixels begin."""
    width: int
    focal: FloatArray
    """(2,) in pixels, along rows and columns."""
    principal: FloatArray
    """(2,) column and row."""
    rotation: npt.NDArray[np.float64]
    """(3, 3) from the camera's axes to the world's."""
    centre: npt.NDArray[np.float64]
    """(3,) in the world."""


class Others(NamedTuple):
    """The S views that may agree with it, of any sizes."""

    start: IndexArray
    """(S,) where the pixels of each begin."""
    size: npt.NDArray[np.int32]
    """(S, 2) width and height."""
    focal: FloatArray
    """(S, 2)"""
    principal: FloatArray
    """(S, 2)"""
    rotation: npt.NDArray[np.float64]
    """(S, 3, 3)"""
    onto: FloatArray
    """(S, 3, 4): takes (column, row, 1, inverse depth) of the reference to a homogeneous pixel of the other view."""
    back: FloatArray
    """(S, 3, 4): the same from the other view to the reference."""


class Band(NamedTuple):
    """The points of R rows of the reference, which has W columns: the first ones of each row are filled."""

    made: IndexArray
    """(R,)"""
    place: FloatArray
    """(R, W, 3) in the world."""
    normal: FloatArray
    """(R, W, 3) in the world, of length 1."""
    colour: ByteArray
    """(R, W, 3)"""
    views: npt.NDArray[np.uint16]
    """(R, W): those that agree, with the reference."""


class _Sums(NamedTuple):
    """Of the views that agree with the pixel at hand."""

    place: FloatArray
    """(3,) column, row and depth in the reference, each times the depth but for the last."""
    normal: npt.NDArray[np.float64]
    """(3,) in the world."""
    colour: FloatArray
    """(3,)"""
    met: IndexArray
    """(S,): their pixels."""


@compiled
def gather(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    pixels: Any, view: Any, others: Any, agreeing: int, band: Any, top: int, first: int, end: int
) -> None:
    """Make the points of a band's rows from `first` to before `end`, of which its row 0 is the view's row `top`.

    `agreeing` is how many other views have to agree with a pixel.
    """
    sums = _Sums(
        np.empty(3, np.float32), np.empty(3, np.float64), np.empty(3, np.float32), np.empty(len(others.start), np.int64)
    )
    for row in range(first, end):
        count = 0
        for column in range(view.width):
            pixel = view.start + (top + row) * view.width + column
            if pixels.state[pixel] != FREE or pixels.depth[pixel] <= _F(0.0):
                continue
            met = _meet(pixels, view, others, pixel, _F(column), _F(top + row), sums)
            if met >= agreeing:
                for k in range(met):
                    pixels.state[sums.met[k]] = USED
                _settle(view, sums, met + 1, band, row, count)
                count += 1
        band.made[row] = count


@inner
def _meet(pixels: Any, view: Any, others: Any, pixel: int, u: Any, v: Any, sums: Any) -> Any:  # noqa: PLR0913, PLR0917
    """Add up what the pixel at (u, v) and all views that agree with it say; give how many do, without its own."""
    depth = pixels.depth[pixel]
    for axis in range(3):
        sums.normal[axis], sums.colour[axis] = 0.0, _F(0.0)
    sums.place[0], sums.place[1], sums.place[2] = u * depth, v * depth, depth
    _add(pixels, pixel, view.rotation, sums)
    met = 0
    for j in range(others.start.shape[0]):
        there, column, row, distance = _met(pixels, others, j, u, v, depth)
        if there >= 0:
            sums.place[0] += column * distance
            sums.place[1] += row * distance
            sums.place[2] += distance
            _add(pixels, there, others.rotation[j], sums)
            sums.met[met] = there
            met += 1
    return met


@inner
def _add(pixels: Any, pixel: int, rotation: Any, sums: Any) -> None:
    """Add a pixel's normal and colour."""
    x, y, z = pixels.normal[pixel, 0], pixels.normal[pixel, 1], pixels.normal[pixel, 2]
    for axis in range(3):
        sums.normal[axis] += rotation[axis, 0] * x + rotation[axis, 1] * y + rotation[axis, 2] * z
        sums.colour[axis] += _F(pixels.colour[pixel, axis])


@inner
def _met(pixels: Any, others: Any, j: int, u: Any, v: Any, depth: Any) -> Any:  # noqa: PLR0913, PLR0917
    """The pixel of another view that agrees, or -1; and where in the reference it has the point: column, row, depth."""
    nothing = -1, _F(0.0), _F(0.0), _F(0.0)
    x, y, z = _carried(others.onto[j], u, v, depth)
    width, height = others.size[j, 0], others.size[j, 1]
    if z <= _AHEAD * depth or not (x >= _F(-0.5) and y >= _F(-0.5) and x < width - _F(0.5) and y < height - _F(0.5)):
        return nothing
    column, row = int(x + _F(0.5)), int(y + _F(0.5))
    pixel = others.start[j] + row * width + column
    there = pixels.depth[pixel]
    if there <= _F(0.0) or pixels.state[pixel] == MASKED:
        return nothing
    there *= _slope(pixels, others, j, pixel, x, y, column, row)
    if abs(there - z) > _DEPTH * z:
        return nothing
    right, down, distance = _carried(others.back[j], x, y, there)
    if distance <= _AHEAD * there or (right - u) * (right - u) + (down - v) * (down - v) > _PIXEL * _PIXEL:
        return nothing
    return pixel, right, down, distance


@inner
def _carried(onto: Any, u: Any, v: Any, depth: Any) -> Any:
    """Where a pixel at a depth falls in another view: column, row, depth."""
    inverse = _F(1.0) / depth
    z = onto[2, 0] * u + onto[2, 1] * v + onto[2, 2] + onto[2, 3] * inverse
    scale = _F(1.0) / z if z > _AHEAD else _F(0.0)
    x = (onto[0, 0] * u + onto[0, 1] * v + onto[0, 2] + onto[0, 3] * inverse) * scale
    y = (onto[1, 0] * u + onto[1, 1] * v + onto[1, 2] + onto[1, 3] * inverse) * scale
    return x, y, z * depth


@inner
def _slope(  # noqa: PLR0913, PLR0917
    pixels: Any, others: Any, j: int, pixel: int, x: Any, y: Any, column: int, row: int
) -> Any:
    """By what a depth changes from the middle of its pixel to (x, y), on the plane that its normal tells of."""
    nx, ny, nz = _F(pixels.normal[pixel, 0]), _F(pixels.normal[pixel, 1]), _F(pixels.normal[pixel, 2])
    nx, ny = nx / others.focal[j, 0], ny / others.focal[j, 1]
    left, upper = others.principal[j, 0], others.principal[j, 1]
    middle = nx * (_F(column) - left) + ny * (_F(row) - upper) + nz
    here = nx * (x - left) + ny * (y - upper) + nz
    # Seen edge-on a plane runs away within a pixel, and a normal is not that exact.
    return middle / here if abs(middle - here) < _STEEPEST * abs(here) else _F(1.0)


@inner
def _settle(view: Any, sums: Any, views: int, band: Any, row: int, at: int) -> None:  # noqa: PLR0913, PLR0917
    """Write the point that the sums are of."""
    depth = sums.place[2]
    x = (sums.place[0] - view.principal[0] * depth) / (view.focal[0] * _F(views))
    y = (sums.place[1] - view.principal[1] * depth) / (view.focal[1] * _F(views))
    z = depth / _F(views)
    nx, ny, nz = sums.normal[0], sums.normal[1], sums.normal[2]
    length = max(np.sqrt(nx * nx + ny * ny + nz * nz), _TINY)
    for axis in range(3):
        turned = view.rotation[axis, 0] * x + view.rotation[axis, 1] * y + view.rotation[axis, 2] * z
        band.place[row, at, axis] = view.centre[axis] + turned
        band.normal[row, at, axis] = sums.normal[axis] / length
        band.colour[row, at, axis] = np.uint8(sums.colour[axis] / _F(views) + _F(0.5))
    band.views[row, at] = views
