"""The loops that look for each pixel's plane, compiled by numba: PatchMatch over one view and its sources.

A pixel's *plane* is three numbers: the inverse depth there, and how it changes from one pixel to the next along a row
and along a column. The inverse depth of a plane in space is affine in the pixel, so carrying a plane to another pixel,
and projecting it into another view, are a few products and sums, without any matrix for each plane.

A plane's *cost* in one source says how little the window around the pixel looks like the same piece of surface there:
1 minus the normalised cross-correlation, 0 when alike, 1 when unrelated. The window's pixels count the less, the more
their grey differs from the middle's. What a plane costs is the mean over the two sources where it looks most alike,
for the others may not see that place.

Pixels are coloured as a chessboard. A sweep over one colour reads planes of the other alone, and chance is drawn by
pixel, so that the result does not depend on the order of pixels, nor on threads.

All indices are of pixels, whose centres lie at whole numbers.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pointcloud_colmap.dense.compiled import compiled

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

RADIUS: Final = 5
"""Of the window, in pixels."""

UNSEEN: Final = np.float32(2.0)
"""The cost of what no source sees."""

_F = np.float32
_WINDOW: Final = [
    (column, row)
    for row in range(-RADIUS, RADIUS + 1, 2)
    for column in range(-RADIUS, RADIUS + 1, 2)
    if abs(row) + abs(column) < 2 * RADIUS
]
_SAMPLES: Final = len(_WINDOW)
"""32: four vectors of AVX2, two of AVX-512."""
_RIGHT: Final = np.array([column for column, _ in _WINDOW], np.float32)
_DOWN: Final = np.array([row for _, row in _WINDOW], np.float32)

_AGREED: Final = 2
"""Sources whose mean is a plane's cost."""
_MISSED: Final = _F(0.15)
"""What each source fewer than that adds."""
_WORST_SEEN: Final = _F(1.98)
_NEVER: Final = _F(9.0)
_FLAT: Final = _F(1.0)
"""Variance in squared grey levels below which a window is noise."""
_WIDEST: Final = _F(40.0)
"""Half a window's extent in a source, in pixels: beyond it the views' scales differ too much to compare."""
_GREY: Final = _F(1 / 12)
"""Grey levels by which a sample must differ from the middle to count half."""
_AWAY: Final = _F(0.02)
"""How much less a sample counts with its squared distance from the middle."""
_MARGIN: Final = _F(0.2)
"""A plane is given up after two sources when it costs so much more than the best."""
_SAME: Final = _F(0.03)
"""Pixels of disparity by which a plane must differ from the present one to be tried."""
_GRAZING: Final = _F(0.15)
"""Cosine between a surface's normal and the line of sight below which no plane is made up."""
_FARTHEST: Final = _F(3.0)
"""Pixels of disagreement that count at most."""

_REACH: Final = ((1, 0), (2, -1), (2, 1), (3, -2), (3, 2))
_JUMPS: Final = ((5, 0), (9, 0), (13, 0), (19, 0), (25, 0))
_REGIONS: Final = np.array(
    [
        [(along * down + across * right, along * right + across * down) for along, across in steps]
        for steps in (_REACH, _JUMPS)
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1))
    ]
)
"""(8, 5, 2): steps in rows and columns to pixels of the other colour, in regions, of which the cheapest is tried."""


class View(NamedTuple):
    """The view whose planes are looked for."""

    grey: ByteArray
    """(H + 2 RADIUS, W + 2 RADIUS): with its edge repeated around it."""
    wanted: ByteArray
    """(H, W): 0 where a mask says that there is nothing to look for."""
    focal: FloatArray
    """(2,) in pixels, along rows and columns."""
    principal: FloatArray
    """(2,) column and row of the principal point."""


class Sources(NamedTuple):
    """The S views that it is compared with, of any sizes: the pixels of one follow those of another."""

    pixels: npt.NDArray[np.uint32]
    """(P,) each with its right, lower, and lower right neighbours in the higher bytes, so that a sample is one read."""
    start: npt.NDArray[np.int64]
    """(S,) where each begins."""
    size: npt.NDArray[np.int32]
    """(S, 2) width and height."""
    onto: FloatArray
    """(S, 3, 4): takes (column, row, 1, inverse depth) of the view to a homogeneous pixel of the source."""
    back: FloatArray
    """(S, 3, 4): the same from a source into the view."""
    inverse_depth: FloatArray
    """(P,) of the sources, 0 where unknown; (0,) as long as depths are not compared."""


class State(NamedTuple):
    """What is known of the view so far."""

    planes: FloatArray
    """(H, W, 3), where an inverse depth of 0 stands for none."""
    cost: FloatArray
    """(H, W)"""
    chosen: ByteArray
    """(H, W): a bit for each source that the cost is of."""


class Chances(NamedTuple):
    """How planes are made up."""

    nearest: np.float32
    """The largest inverse depth there may be."""
    farthest: np.float32
    """The smallest."""
    pixel: np.float32
    """The difference of inverse depth that moves a point by one pixel in a source at the usual distance."""
    reach: np.float32
    """How far from the present plane to look, in such pixels."""
    tilt: np.float32
    """How far from the present normal to look: about the tangent of the angle."""
    tries: int
    """Planes to make up for each pixel."""
    seed: int
    disagreement: np.float32
    """What a pixel of disagreement in depth costs."""


class _Scratch(NamedTuple):
    """What is worked out for the pixel at hand."""

    weights: FloatArray
    """(_SAMPLES,), their sum is 1."""
    contrast: FloatArray
    """(_SAMPLES,): the weighted differences from the mean."""
    rays: FloatArray
    """(S, 3): where the pixel at an infinite depth lies in each source, homogeneous."""
    order: npt.NDArray[np.int64]
    """(S,): sources, those first that explain the present plane."""
    tried: FloatArray
    """(8, 2): the planes of neighbours that are done with."""
    dice: npt.NDArray[np.uint32]
    """(1,)"""


class _Place(NamedTuple):
    """The pixel at hand, and how planes are compared there."""

    row: int
    column: int
    variance: np.float32
    """Of its window, in squared grey levels."""
    disagreement: np.float32
    """See `Chances`."""


class _Plane(NamedTuple):
    """A plane at the pixel at hand."""

    w: np.float32
    """The inverse depth there."""
    gx: np.float32
    """Its change from one column to the next."""
    gy: np.float32
    """Its change from one row to the next."""


@compiled
def _scratch(sources: Any) -> Any:
    count = sources.start.shape[0]
    return _Scratch(
        np.empty(_SAMPLES, np.float32),
        np.empty(_SAMPLES, np.float32),
        np.empty((count, 3), np.float32),
        np.arange(count),
        np.empty((_REGIONS.shape[0], 2), np.float32),
        np.empty(1, np.uint32),
    )


@compiled
def _mixed(bits: Any) -> Any:
    """A hash of 32 bits, by Chris Wellons's `lowbias32` (https://nullprogram.com/blog/2018/07/31/)."""
    bits = np.uint32(bits ^ (bits >> np.uint32(16)))
    bits = np.uint32(bits * np.uint32(0x7FEB352D))
    bits = np.uint32(bits ^ (bits >> np.uint32(15)))
    bits = np.uint32(bits * np.uint32(0x846CA68B))
    return np.uint32(bits ^ (bits >> np.uint32(16)))


@compiled
def _throw(dice: Any) -> Any:
    """The pixel's next random number, from 0 to 1."""
    dice[0] += np.uint32(0x9E3779B9)
    return _F(np.int32(_mixed(dice[0]) >> np.uint32(8))) * _F(1 / (1 << 24))


@compiled
def _spread(dice: Any) -> Any:
    """A random number from -1 to 1, more often near 0."""
    return _throw(dice) + _throw(dice) - _F(1.0)


@compiled
def _weigh(grey: Any, row: int, column: int, weights: Any, contrast: Any) -> Any:
    """Fill in the weights and the weighted differences from the mean of a pixel's window; give its variance."""
    middle = _F(grey[row + RADIUS, column + RADIUS])
    total, mean = _F(0.0), _F(0.0)
    for k in range(_SAMPLES):
        level = _F(grey[row + RADIUS + int(_DOWN[k]), column + RADIUS + int(_RIGHT[k])])
        differs = (level - middle) * _GREY
        weight = _F(1.0) / (_F(1.0) + differs * differs + _AWAY * (_RIGHT[k] * _RIGHT[k] + _DOWN[k] * _DOWN[k]))
        weights[k], contrast[k] = weight, level
        total += weight
        mean += weight * level
    mean /= total
    variance = _F(0.0)
    for k in range(_SAMPLES):
        weights[k] /= total
        differs = contrast[k] - mean
        contrast[k] = weights[k] * differs
        variance += contrast[k] * differs
    return variance


@compiled
def _look(view: Any, sources: Any, chances: Any, row: int, column: int, scratch: Any) -> Any:  # noqa: PLR0913, PLR0917
    """Work out what all planes of a pixel are compared by."""
    scratch.dice[0] = _mixed(np.uint32(row * view.wanted.shape[1] + column) ^ _mixed(np.uint32(chances.seed)))
    u, v = _F(column), _F(row)
    for j in range(sources.start.shape[0]):
        for axis in range(3):
            onto = sources.onto[j, axis]
            scratch.rays[j, axis] = onto[0] * u + onto[1] * v + onto[2]
    variance = _weigh(view.grey, row, column, scratch.weights, scratch.contrast)
    return _Place(row, column, max(variance, _FLAT), chances.disagreement)


@compiled
def _moments(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    pixels: Any, start: Any, width: Any, x: Any, y: Any, xx: Any, xy: Any, yx: Any, yy: Any, weights: Any, contrast: Any
) -> Any:
    """Sample a source where the window lies in it; give the weighted mean, mean square, and product with the view.

    Grey levels count from 128, which keeps the sums short. (x, y) is the middle, and [[xx, xy], [yx, yy]] what a step
    along a row and along a column of the view is there.
    """
    mean, square, product = _F(0.0), _F(0.0), _F(0.0)
    for k in range(_SAMPLES):
        at_x = x + xx * _RIGHT[k] + xy * _DOWN[k]
        at_y = y + yx * _RIGHT[k] + yy * _DOWN[k]
        left, upper = np.int32(at_x), np.int32(at_y)
        right, down = at_x - _F(left), at_y - _F(upper)
        # Unsigned, or numba asks at every read whether an index counts from the end.
        packed = pixels[np.uint64(start) + np.uint64(np.uint32(np.int32(upper * width + left)))]
        a = _F(np.int32(packed & np.uint32(255)))
        b = _F(np.int32((packed >> np.uint32(8)) & np.uint32(255)))
        c = _F(np.int32((packed >> np.uint32(16)) & np.uint32(255)))
        d = _F(np.int32((packed >> np.uint32(24)) & np.uint32(255)))
        above = a + right * (b - a)
        below = c + right * (d - c)
        grey = above + down * (below - above) - _F(128.0)
        weighted = weights[k] * grey
        mean += weighted
        square += weighted * grey
        product += contrast[k] * grey
    return mean, square, product


@compiled
def _disagreement(sources: Any, j: int, x: Any, y: Any, place: Any) -> Any:
    """How far from the pixel a source's own depth at (x, y) comes back to, in pixels."""
    there = sources.inverse_depth[sources.start[j] + int(y + _F(0.5)) * sources.size[j, 0] + int(x + _F(0.5))]
    if there <= _F(0.0):
        return _FARTHEST
    back = sources.back[j]
    z = back[2, 0] * x + back[2, 1] * y + back[2, 2] + back[2, 3] * there
    if z <= _F(1e-6):
        return _FARTHEST
    right = (back[0, 0] * x + back[0, 1] * y + back[0, 2] + back[0, 3] * there) / z - _F(place.column)
    down = (back[1, 0] * x + back[1, 1] * y + back[1, 2] + back[1, 3] * there) / z - _F(place.row)
    return min(np.sqrt(right * right + down * down), _FARTHEST)


@compiled
def _cost_in(sources: Any, j: int, place: Any, plane: Any, scratch: Any) -> Any:
    """What a plane costs in one source, UNSEEN when the source does not see all of the window."""
    w, gx, gy = plane.w, plane.gx, plane.gy
    onto, ray = sources.onto[j], scratch.rays[j]
    z = ray[2] + onto[2, 3] * w
    if z <= _F(1e-6):
        return UNSEEN
    scale = _F(1.0) / z
    x, y = (ray[0] + onto[0, 3] * w) * scale, (ray[1] + onto[1, 3] * w) * scale
    # The window's homography, to first order: how the projection changes with the column and the row.
    zx, zy = (onto[2, 0] + onto[2, 3] * gx) * scale, (onto[2, 1] + onto[2, 3] * gy) * scale
    xx, xy = (onto[0, 0] + onto[0, 3] * gx) * scale - x * zx, (onto[0, 1] + onto[0, 3] * gy) * scale - x * zy
    yx, yy = (onto[1, 0] + onto[1, 3] * gx) * scale - y * zx, (onto[1, 1] + onto[1, 3] * gy) * scale - y * zy
    wide, high = _F(RADIUS) * (abs(xx) + abs(xy)), _F(RADIUS) * (abs(yx) + abs(yy))
    width, height = sources.size[j, 0], sources.size[j, 1]
    inside = x >= wide and y >= high and x + wide < _F(width - 2) and y + high < _F(height - 2)
    if not inside or wide > _WIDEST or high > _WIDEST:
        return UNSEEN
    mean, square, product = _moments(
        sources.pixels, sources.start[j], width, x, y, xx, xy, yx, yy, scratch.weights, scratch.contrast
    )
    variance = square - mean * mean
    if variance < _FLAT:
        return UNSEEN
    cost = max(_F(1.0) - product / np.sqrt(variance * place.variance), _F(0.0))
    if place.disagreement > _F(0.0):
        cost += place.disagreement * _disagreement(sources, j, x, y, place)
    return min(cost, _WORST_SEEN)


@compiled
def _cost(sources: Any, place: Any, plane: Any, scratch: Any, limit: Any) -> Any:
    """What a plane costs, and a bit for each source that this is of; given up early when it is beyond the limit."""
    least, second = UNSEEN, UNSEEN
    at_least, at_second = np.uint8(0), np.uint8(0)
    for turn in range(sources.start.shape[0]):
        if turn == _AGREED and least < UNSEEN:
            mean = (least + second) * _F(0.5) if second < UNSEEN else least
            if mean > limit:
                return _NEVER, at_least
        j = scratch.order[turn]
        cost = _cost_in(sources, j, place, plane, scratch)
        if cost < least:
            second, at_second = least, at_least
            least, at_least = cost, np.uint8(1 << j)
        elif cost < second:
            second, at_second = cost, np.uint8(1 << j)
    if least >= UNSEEN:
        return UNSEEN, at_least
    if second >= UNSEEN:
        return least + _MISSED, at_least
    return (least + second) * _F(0.5), np.uint8(at_least | at_second)


@compiled
def _order(chosen: Any, order: Any) -> None:
    """Put the chosen sources first."""
    count = 0
    for wanted in (1, 0):
        for j in range(order.shape[0]):
            if (int(chosen) >> j) & 1 == wanted:
                order[count] = j
                count += 1


@compiled
def _facing(view: Any, place: Any, w: Any, normal: Any) -> Any:
    """A plane by its inverse depth and a normal that points away from the camera; none (w = 0) when seen edge-on."""
    nx, ny, nz = normal
    x = (_F(place.column) - view.principal[0]) / view.focal[0]
    y = (_F(place.row) - view.principal[1]) / view.focal[1]
    towards = nx * x + ny * y + nz
    if towards < _GRAZING * np.sqrt(nx * nx + ny * ny + nz * nz):
        return _Plane(_F(0.0), _F(0.0), _F(0.0))
    scale = w / towards
    return _Plane(w, scale * nx / view.focal[0], scale * ny / view.focal[1])


@compiled
def _anywhere(view: Any, place: Any, chances: Any, dice: Any) -> Any:
    """A plane at any depth, turned at most about 45 degrees away from the camera."""
    w = chances.farthest + (chances.nearest - chances.farthest) * _throw(dice)
    return _facing(view, place, w, (_throw(dice) - _F(0.5), _throw(dice) - _F(0.5), _F(0.7)))


@compiled
def _nearby(view: Any, place: Any, plane: Any, turn: int, chances: Any, dice: Any) -> Any:  # noqa: PLR0913, PLR0917
    """A plane like this one: moved, turned, or both, in turn."""
    w = plane.w
    nx, ny = plane.gx * view.focal[0], plane.gy * view.focal[1]
    nz = w - plane.gx * (_F(place.column) - view.principal[0]) - plane.gy * (_F(place.row) - view.principal[1])
    length = _F(1.0) / np.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx * length, ny * length, nz * length
    if turn % 3 != 1:
        w += chances.reach * chances.pixel * _spread(dice)
    if turn % 3 != 0:
        nx += chances.tilt * _spread(dice)
        ny += chances.tilt * _spread(dice)
    return _facing(view, place, w, (nx, ny, nz))


@compiled
def _plane_of(state: Any, row: int, column: int) -> Any:
    plane = state.planes[row, column]
    return _Plane(plane[0], plane[1], plane[2])


@compiled
def _take(state: Any, place: Any, plane: Any, cost: Any, chosen: Any) -> None:
    row, column = place.row, place.column
    state.planes[row, column, 0], state.planes[row, column, 1], state.planes[row, column, 2] = plane
    state.cost[row, column], state.chosen[row, column] = cost, chosen


@compiled
def begin(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, state: Any, chances: Any, first: int, end: int
) -> None:
    """Cost the planes there are, and find one for each pixel without: the best of some made up anywhere."""
    scratch = _scratch(sources)
    for row in range(first, end):
        for column in range(view.wanted.shape[1]):
            if view.wanted[row, column] == 0:
                continue
            place = _look(view, sources, chances, row, column, scratch)
            plane = _plane_of(state, row, column)
            if plane.w > _F(0.0):
                cost, chosen = _cost(sources, place, plane, scratch, _NEVER)
                _take(state, place, plane, cost, chosen)
            else:
                _guess(view, sources, state, chances, place, scratch)


@compiled
def _guess(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, state: Any, chances: Any, place: Any, scratch: Any
) -> None:
    least = _NEVER
    for _ in range(chances.tries):
        plane = _anywhere(view, place, chances, scratch.dice)
        if plane.w > _F(0.0):
            cost, chosen = _cost(sources, place, plane, scratch, least)
            if cost < least:
                least = cost
                _take(state, place, plane, cost, chosen)


@compiled
def sweep(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, state: Any, chances: Any, colour: int, first: int, end: int
) -> None:
    """Improve the planes of every pixel of one colour (0 or 1): by its neighbours', then by some like the best."""
    scratch = _scratch(sources)
    for row in range(first, end):
        for column in range((row + colour) & 1, view.wanted.shape[1], 2):
            if view.wanted[row, column] == 0:
                continue
            place = _look(view, sources, chances, row, column, scratch)
            _order(state.chosen[row, column], scratch.order)
            _propagate(sources, state, chances, place, scratch)
            _refine(view, sources, state, chances, place, scratch)


@compiled
def _try(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    sources: Any, state: Any, chances: Any, place: Any, plane: Any, scratch: Any
) -> None:
    """Take a plane for the pixel if it is better than the present one."""
    if not chances.farthest <= plane.w <= chances.nearest:
        return
    best = state.cost[place.row, place.column]
    cost, chosen = _cost(sources, place, plane, scratch, best + _MARGIN)
    if cost < best:
        _take(state, place, plane, cost, chosen)
        _order(chosen, scratch.order)


@compiled
def _cheapest(cost: Any, row: int, column: int, region: int) -> Any:
    """The pixel of a region that has the cheapest plane; a row of -1 when the region lies outside."""
    least, at_row, at_column = _NEVER, -1, -1
    for k in range(_REGIONS.shape[1]):
        r, c = row + _REGIONS[region, k, 0], column + _REGIONS[region, k, 1]
        if 0 <= r < cost.shape[0] and 0 <= c < cost.shape[1] and cost[r, c] < least:
            least, at_row, at_column = cost[r, c], r, c
    return at_row, at_column


@compiled
def _propagate(sources: Any, state: Any, chances: Any, place: Any, scratch: Any) -> None:
    same = _SAME * chances.pixel
    tried = 0
    for region in range(_REGIONS.shape[0]):
        row, column = _cheapest(state.cost, place.row, place.column, region)
        if row < 0:
            continue
        there = _plane_of(state, row, column)
        w = there.w + there.gx * _F(place.column - column) + there.gy * _F(place.row - row)
        present = _plane_of(state, place.row, place.column)
        turned = abs(there.gx - present.gx) + abs(there.gy - present.gy)
        if abs(w - present.w) < same and turned < _F(0.2) * same:
            continue
        again = False
        for k in range(tried):
            again |= scratch.tried[k, 0] == w and scratch.tried[k, 1] == there.gx
        if again:
            continue
        scratch.tried[tried, 0], scratch.tried[tried, 1] = w, there.gx
        tried += 1
        _try(sources, state, chances, place, _Plane(w, there.gx, there.gy), scratch)


@compiled
def _refine(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, state: Any, chances: Any, place: Any, scratch: Any
) -> None:
    for turn in range(chances.tries):
        present = _plane_of(state, place.row, place.column)
        if present.w > _F(0.0):
            plane = _nearby(view, place, present, turn, chances, scratch.dice)
            _try(sources, state, chances, place, plane, scratch)
