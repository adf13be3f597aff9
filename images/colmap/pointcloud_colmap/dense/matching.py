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

from pointcloud_colmap.dense.compiled import compiled, inner

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

RADIUS: Final = 5
"""Of the window, in pixels."""

UNSEEN: Final = np.float32(2.0)
"""The cost of what no source sees."""

TEXTURED: Final = 0
"""A pixel whose window tells planes apart."""
WEAK: Final = 1
"""One whose window is hardly more than noise."""
FAINT: Final = 2
"""One in between."""
BORROWED: Final = 3
"""One whose window tells planes apart only by what lies across an edge, and may be another surface."""

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
_FROM_CORNER: Final = np.array([(RADIUS + row, RADIUS + column) for column, row in _WINDOW], np.uint32)
"""(_SAMPLES, 2): rows and columns from the upper left corner of the window."""
_FROM_HALF: Final = np.array(
    [(RADIUS + (row - 1) // 2, RADIUS + (column - 1) // 2) for column, row in _WINDOW], np.uint32
)
"""The same in a window of half the width, of the upper left one of four pixels around each sample."""

_WEIGHTS: Final = 0
_CONTRAST: Final = 1
_LEVELS: Final = _CONTRAST
"""Rows of a window's numbers: what they are read into becomes the contrast."""

_AGREED: Final = 2
"""Sources whose mean is a plane's cost."""
_MISSED: Final = _F(0.15)
"""What each source fewer than that adds."""
_WORST_SEEN: Final = _F(1.98)
_NEVER: Final = _F(9.0)
_FLAT: Final = _F(1.0)
"""Variance in squared grey levels below which a window is noise."""
_WEAKEST: Final = _F(6.0)
"""Variance below which a window is WEAK."""
_FAINTEST: Final = _F(24.0)
"""Variance below which it is FAINT."""
_OWN: Final = _F(5.0)
"""Variance below which what looks like the middle is noise. JPEG leaves 1 to 3 of a clear sky."""
_ALIKE: Final = _F(10.0)
"""Grey levels by which a sample may differ from the middle to look like it."""
_TOO_FEW: Final = _F(4.0)
"""Samples that look like the middle, of which no variance is told."""
_WIDEST: Final = _F(40.0)
"""Half a window's extent in a source, in pixels: beyond it the views' scales differ too much to compare."""
_GREY: Final = _F(1 / 33)
"""Of the grey levels by which a sample must differ from the middle to count a quarter."""
_AWAY: Final = _F(0.02)
"""How much less a sample counts with its squared distance from the middle."""
_SAME: Final = _F(0.03)
"""Pixels of disparity by which a plane must differ from the present one to be tried."""
_GRAZING: Final = _F(0.15)
"""Cosine between a surface's normal and the line of sight below which no plane is made up."""
_FARTHEST: Final = _F(3.0)
"""Pixels of disagreement that count at most."""
_WHOLE: Final = _F(1.0)
_HALF: Final = _F(0.5)
"""How wide a window is, of the usual."""
_STEP: Final = _F(1.5)
"""Pixels of disparity between a pixel's plane and one nearby, from which there is an edge between them."""
_AROUND: Final = np.array(
    [(far * down, far * right) for far in (1, 3, 5) for down, right in ((1, 0), (0, 1), (-1, 0), (0, -1))]
)
"""(12, 2): steps in rows and columns to where the planes on both sides of an edge are looked for. Their sums are odd,
so that they lead to pixels of the other colour."""

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
_NEAR: Final = 4
"""So many regions are around the pixel, the others beyond these."""


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
    far: bool
    """Whether planes are also tried of pixels that are not around, which is how they spread while few are right."""


class _Scratch(NamedTuple):
    """What is worked out for the pixel at hand."""

    window: FloatArray
    """(2, _SAMPLES): how much each sample of the window counts, 1 in sum; and its difference from the mean, times that.

    One array: of two, compilers do not know that they are apart, and work on one number at a time.
    """
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
    scale: np.float32
    """Of its window: _WHOLE or _HALF."""


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
        np.empty((2, _SAMPLES), np.float32),
        np.empty((count, 3), np.float32),
        np.arange(count),
        np.empty((_REGIONS.shape[0], 2), np.float32),
        np.empty(1, np.uint32),
    )


@inner
def _mixed(bits: Any) -> Any:
    """A hash of 32 bits, by Chris Wellons's `lowbias32` (https://nullprogram.com/blog/2018/07/31/)."""
    bits = np.uint32(bits ^ (bits >> np.uint32(16)))
    bits = np.uint32(bits * np.uint32(0x7FEB352D))
    bits = np.uint32(bits ^ (bits >> np.uint32(15)))
    bits = np.uint32(bits * np.uint32(0x846CA68B))
    return np.uint32(bits ^ (bits >> np.uint32(16)))


@inner
def _throw(dice: Any) -> Any:
    """The pixel's next random number, from 0 to 1."""
    dice[0] += np.uint32(0x9E3779B9)
    return _F(np.int32(_mixed(dice[0]) >> np.uint32(8))) * _F(1 / (1 << 24))


@inner
def _spread(dice: Any) -> Any:
    """A random number from -1 to 1, more often near 0."""
    return _throw(dice) + _throw(dice) - _F(1.0)


@inner
def _sample(grey: Any, row: int, column: int, window: Any) -> None:
    """Read a pixel's window."""
    upper, left = np.uint32(row), np.uint32(column)
    for k in range(_SAMPLES):
        # Unsigned, as in `_moments`.
        window[_LEVELS, k] = _F(grey[upper + _FROM_CORNER[k, 0], left + _FROM_CORNER[k, 1]])


@inner
def _sample_half(grey: Any, row: int, column: int, window: Any) -> None:
    """Read a window of half the width, whose samples lie in the middle between four pixels."""
    one = np.uint32(1)
    for k in range(_SAMPLES):
        r, c = np.uint32(row) + _FROM_HALF[k, 0], np.uint32(column) + _FROM_HALF[k, 1]
        total = np.int32(grey[r, c]) + np.int32(grey[r, c + one])
        total += np.int32(grey[r + one, c]) + np.int32(grey[r + one, c + one])
        window[_LEVELS, k] = _F(total) * _F(0.25)


@inner
def _weigh(middle: Any, scale: Any, window: Any) -> Any:
    """Turn a window's grey levels into the weighted differences from their mean, and fill in the weights.

    Gives the variance.
    """
    total, mean = _F(0.0), _F(0.0)
    away, grey = _AWAY * scale * scale, _GREY / scale
    for k in range(_SAMPLES):
        level = window[_LEVELS, k]
        differs = (level - middle) * grey
        # Squared, or a sample across an edge added as much to the variance, however much it differed.
        unlike = (_F(1.0) + differs * differs) * (_F(1.0) + differs * differs)
        weight = _F(1.0) / (unlike + away * (_RIGHT[k] * _RIGHT[k] + _DOWN[k] * _DOWN[k]))
        window[_WEIGHTS, k] = weight
        total += weight
        mean += weight * level
    share = _F(1.0) / total
    mean *= share
    variance = _F(0.0)
    for k in range(_SAMPLES):
        weight, differs = window[_WEIGHTS, k] * share, window[_LEVELS, k] - mean
        window[_WEIGHTS, k], window[_CONTRAST, k] = weight, weight * differs
        variance += weight * differs * differs
    return variance


@inner
def _look(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, chances: Any, row: int, column: int, scratch: Any
) -> Any:
    """Work out what all planes of a pixel are compared by."""
    _sample(view.grey, row, column, scratch.window)
    return _prepare(view, sources, chances, row, column, _WHOLE, scratch)


@inner
def _look_closely(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, chances: Any, row: int, column: int, scratch: Any
) -> Any:
    """The same for a window of half the width."""
    _sample_half(view.grey, row, column, scratch.window)
    return _prepare(view, sources, chances, row, column, _HALF, scratch)


@inner
def _prepare(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, chances: Any, row: int, column: int, scale: Any, scratch: Any
) -> Any:
    scratch.dice[0] = _mixed(np.uint32(row * view.wanted.shape[1] + column) ^ _mixed(np.uint32(chances.seed)))
    u, v = _F(column), _F(row)
    for j in range(sources.start.shape[0]):
        for axis in range(3):
            onto = sources.onto[j, axis]
            scratch.rays[j, axis] = onto[0] * u + onto[1] * v + onto[2]
    middle = _F(view.grey[row + RADIUS, column + RADIUS])
    variance = _weigh(middle, scale, scratch.window)
    return _Place(row, column, max(variance, _FLAT), chances.disagreement, scale)


@inner
def _moments(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    pixels: Any, width: Any, x: Any, y: Any, xx: Any, xy: Any, yx: Any, yy: Any, window: Any
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
        # Unsigned, or numba asks at every read whether an index counts from the end; and of 31 bits, as processors
        # gather by signed words.
        packed = pixels[np.uint32(np.int32(upper * width + left)) & np.uint32(0x7FFFFFFF)]
        a = _F(np.int32(packed & np.uint32(255)))
        b = _F(np.int32((packed >> np.uint32(8)) & np.uint32(255)))
        c = _F(np.int32((packed >> np.uint32(16)) & np.uint32(255)))
        d = _F(np.int32((packed >> np.uint32(24)) & np.uint32(255)))
        above = a + right * (b - a)
        below = c + right * (d - c)
        grey = above + down * (below - above) - _F(128.0)
        weighted = window[_WEIGHTS, k] * grey
        mean += weighted
        square += weighted * grey
        product += window[_CONTRAST, k] * grey
    return mean, square, product


@inner
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


@inner
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
    scale *= place.scale
    zx, zy = (onto[2, 0] + onto[2, 3] * gx) * scale, (onto[2, 1] + onto[2, 3] * gy) * scale
    xx, xy = (onto[0, 0] + onto[0, 3] * gx) * scale - x * zx, (onto[0, 1] + onto[0, 3] * gy) * scale - x * zy
    yx, yy = (onto[1, 0] + onto[1, 3] * gx) * scale - y * zx, (onto[1, 1] + onto[1, 3] * gy) * scale - y * zy
    wide, high = _F(RADIUS) * (abs(xx) + abs(xy)), _F(RADIUS) * (abs(yx) + abs(yy))
    width, height = sources.size[j, 0], sources.size[j, 1]
    inside = x >= wide and y >= high and x + wide < _F(width - 2) and y + high < _F(height - 2)
    if not inside or wide > _WIDEST or high > _WIDEST:
        return UNSEEN
    pixels = sources.pixels[sources.start[j] :]
    mean, square, product = _moments(pixels, width, x, y, xx, xy, yx, yy, scratch.window)
    variance = square - mean * mean
    if variance < _FLAT:
        return UNSEEN
    cost = max(_F(1.0) - product / np.sqrt(variance * place.variance), _F(0.0))
    if place.disagreement > _F(0.0):
        cost += place.disagreement * _disagreement(sources, j, x, y, place)
    return min(cost, _WORST_SEEN)


@inner
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


@inner
def _order(chosen: Any, order: Any) -> None:
    """Put the chosen sources first."""
    count = 0
    for wanted in (1, 0):
        for j in range(order.shape[0]):
            if (int(chosen) >> j) & 1 == wanted:
                order[count] = j
                count += 1


@inner
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


@inner
def _anywhere(view: Any, place: Any, chances: Any, dice: Any) -> Any:
    """A plane at any depth, turned at most about 45 degrees away from the camera."""
    w = chances.farthest + (chances.nearest - chances.farthest) * _throw(dice)
    return _facing(view, place, w, (_throw(dice) - _F(0.5), _throw(dice) - _F(0.5), _F(0.7)))


@inner
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


@inner
def _plane_of(state: Any, row: int, column: int) -> Any:
    plane = state.planes[row, column]
    return _Plane(plane[0], plane[1], plane[2])


@inner
def _take(state: Any, place: Any, plane: Any, cost: Any, chosen: Any) -> None:
    row, column = place.row, place.column
    state.planes[row, column, 0], state.planes[row, column, 1], state.planes[row, column, 2] = plane
    state.cost[row, column], state.chosen[row, column] = cost, chosen


@compiled
def begin(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, state: Any, chances: Any, first: int, end: int
) -> None:
    """Cost the planes there are, and find one for each pixel without: the best of some made up anywhere."""
    _begin(view, sources, state, chances, first, end, _scratch(sources))


@inner
def _begin(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, state: Any, chances: Any, first: int, end: int, scratch: Any
) -> None:
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


@inner
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
    _sweep(view, sources, state, chances, colour, first, end, _scratch(sources))


@inner
def _sweep(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, state: Any, chances: Any, colour: int, first: int, end: int, scratch: Any
) -> None:
    for row in range(first, end):
        for column in range((row + colour) & 1, view.wanted.shape[1], 2):
            if view.wanted[row, column] == 0:
                continue
            place = _look(view, sources, chances, row, column, scratch)
            _order(state.chosen[row, column], scratch.order)
            _propagate(sources, state, chances, place, scratch)
            _refine(view, sources, state, chances, place, scratch)


@inner
def _try(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    sources: Any, state: Any, chances: Any, place: Any, plane: Any, scratch: Any
) -> None:
    """Take a plane for the pixel if it is better than the present one."""
    if not chances.farthest <= plane.w <= chances.nearest:
        return
    best = state.cost[place.row, place.column]
    cost, chosen = _cost(sources, place, plane, scratch, best)
    if cost < best:
        _take(state, place, plane, cost, chosen)
        _order(chosen, scratch.order)


@inner
def _cheapest(cost: Any, row: int, column: int, region: int) -> Any:
    """The pixel of a region that has the cheapest plane; a row of -1 when the region lies outside."""
    least, at_row, at_column = _NEVER, -1, -1
    height, width = np.uint64(cost.shape[0]), np.uint64(cost.shape[1])
    for k in range(_REGIONS.shape[1]):
        # Unsigned, one comparison tells whether it lies inside. Choices instead of branches: none could be foreseen.
        r, c = row + _REGIONS[region, k, 0], column + _REGIONS[region, k, 1]
        if np.uint64(r) < height and np.uint64(c) < width:
            there = cost[np.uint64(r), np.uint64(c)]
            cheaper = there < least
            least = there if cheaper else least
            at_row = r if cheaper else at_row
            at_column = c if cheaper else at_column
    return at_row, at_column


@inner
def _propagate(sources: Any, state: Any, chances: Any, place: Any, scratch: Any) -> None:
    same = _SAME * chances.pixel
    tried = 0
    for region in range(_REGIONS.shape[0] if chances.far else _NEAR):
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


@inner
def _refine(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, state: Any, chances: Any, place: Any, scratch: Any
) -> None:
    for turn in range(chances.tries):
        present = _plane_of(state, place.row, place.column)
        if present.w > _F(0.0):
            plane = _nearby(view, place, present, turn, chances, scratch.dice)
            _try(sources, state, chances, place, plane, scratch)


@compiled
def sharpen(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, state: Any, chances: Any, colour: int, first: int, end: int
) -> None:
    """Give pixels of one colour at edges the plane of the side that they lie on.

    A window reaches across an edge, and takes pixels beside what is in front for a part of it. So the planes around are
    compared once more, by a window of half the width.
    """
    _sharpen(view, sources, state, chances, colour, first, end, _scratch(sources))


@inner
def _sharpen(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    view: Any, sources: Any, state: Any, chances: Any, colour: int, first: int, end: int, scratch: Any
) -> None:
    for row in range(first, end):
        for column in range((row + colour) & 1, view.wanted.shape[1], 2):
            if view.wanted[row, column] == 0 or not _at_edge(state, chances, row, column):
                continue
            place = _look_closely(view, sources, chances, row, column, scratch)
            _order(state.chosen[row, column], scratch.order)
            cost, chosen = _cost(sources, place, _plane_of(state, row, column), scratch, _NEVER)
            state.cost[row, column], state.chosen[row, column] = cost, chosen
            for k in range(_AROUND.shape[0]):
                r, c = row + _AROUND[k, 0], column + _AROUND[k, 1]
                if 0 <= r < state.cost.shape[0] and 0 <= c < state.cost.shape[1] and view.wanted[r, c] != 0:
                    _take_over(sources, state, chances, place, r, c, scratch)


@inner
def _at_edge(state: Any, chances: Any, row: int, column: int) -> Any:
    """Tell whether a plane around is another surface's."""
    plane = _plane_of(state, row, column)
    if plane.w <= _F(0.0):
        return False
    for k in range(_AROUND.shape[0]):
        down, right = _AROUND[k, 0], _AROUND[k, 1]
        r, c = row + down, column + right
        if 0 <= r < state.cost.shape[0] and 0 <= c < state.cost.shape[1] and state.planes[r, c, 0] > _F(0.0):
            here = plane.w + plane.gx * _F(right) + plane.gy * _F(down)
            if abs(here - state.planes[r, c, 0]) > _STEP * chances.pixel:
                return True
    return False


@inner
def _take_over(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    sources: Any, state: Any, chances: Any, place: Any, row: int, column: int, scratch: Any
) -> None:
    """Try the plane of another pixel, if it is another surface's."""
    there = _plane_of(state, row, column)
    if there.w <= _F(0.0):
        return
    w = there.w + there.gx * _F(place.column - column) + there.gy * _F(place.row - row)
    if abs(w - state.planes[place.row, place.column, 0]) > _HALF * chances.pixel:
        _try(sources, state, chances, place, _Plane(w, there.gx, there.gy), scratch)


@compiled
def find_texture(view: Any, texture: Any, first: int, end: int) -> None:
    """Write what a pixel's window is worth: uint8 (H, W), TEXTURED also where nothing is wanted."""
    _find_texture(view, texture, first, end, np.empty((2, _SAMPLES), np.float32))


@inner
def _find_texture(view: Any, texture: Any, first: int, end: int, window: Any) -> None:
    for row in range(first, end):
        for column in range(texture.shape[1]):
            if view.wanted[row, column] == 0:
                texture[row, column] = TEXTURED
                continue
            middle = _F(view.grey[row + RADIUS, column + RADIUS])
            _sample(view.grey, row, column, window)
            own = _own_variance(middle, window)
            variance = _weigh(middle, _WHOLE, window)
            if variance < _WEAKEST:
                texture[row, column] = WEAK
            elif own < _OWN:
                texture[row, column] = BORROWED
            else:
                texture[row, column] = FAINT if variance < _FAINTEST else TEXTURED


@inner
def _own_variance(middle: Any, window: Any) -> Any:
    """The variance of those of a window's grey levels that are like the middle's."""
    count, total, square = _F(0.0), _F(0.0), _F(0.0)
    for k in range(_SAMPLES):
        differs = window[_LEVELS, k] - middle
        alike = _F(1.0) if abs(differs) <= _ALIKE else _F(0.0)
        count += alike
        total += alike * differs
        square += alike * differs * differs
    return (square - total * total / count) / count if count >= _TOO_FEW else _OWN
