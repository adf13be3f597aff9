"""Depth for pixels without texture of their own, where what is around them is flat, and none elsewhere.

Nothing in such a pixel's window tells one plane from another, so what the search finds there is noise. But inverse
depth is affine in the pixel along a plane: on a line through the pixel, from the next textured pixel on one side to
that on the other, it changes evenly. Eight lines are drawn; where three of them, and more than half of those that have
ends, come to the same depth, the surface is taken to be flat in between. Fusion then asks two other views, which have
looked at it from elsewhere, so that what only looks flat from one side, such as the inside of a round outline, gives no
points.

A line ends where a pixel looks different, for there another surface begins.

Beside an edge a window has texture, if only that of the edge. Where the pixel's own surface has none, its plane is that
of the surface which ends there, rightly beside a door in a plain wall, and wrongly in the sky around a tower, which
would get a fringe of the sky's colour. So such a pixel keeps its plane only if lines through it, each from edge to edge
of what looks like it, say the same.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pointcloud_colmap.dense.compiled import compiled, inner
from pointcloud_colmap.dense.matching import BORROWED, FAINT, TEXTURED, WEAK
from pointcloud_colmap.dense.threads import Runner

ByteArray = npt.NDArray[np.uint8]
IndexArray = npt.NDArray[np.int32]

_F = np.float32
_LINES: Final = np.array([(0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1)])
"""(8, 2): steps in rows and columns."""
_AGREEING: Final = 3
"""Lines that must come to the same depth."""
_SAME: Final = _F(1.0)
"""Pixels of disparity by which they may differ."""
_ALIKE: Final = 20
"""Grey levels by which the ends of a line may differ from the pixel."""


class Surroundings(NamedTuple):
    """What lines are drawn through."""

    grey: ByteArray
    """(H, W)"""
    texture: ByteArray
    """(H, W), see `matching.find_texture`."""
    planes: npt.NDArray[np.float32]
    """(H, W, 3), see `matching.State`."""
    keep: ByteArray
    """(H, W), 0 where a plane is no good."""
    tolerance: np.float32
    """By which inverse depths may differ that are the same."""
    reach: int
    """Steps from a pixel to the end of a line, at most."""
    first: IndexArray
    """(8, L): where the first end is on each of the L lines in each direction: its row, or of horizontal lines its
    column. Most of a sky has no end on one side, which this tells without a walk."""
    last: IndexArray
    """(8, L): where the last is."""


def surroundings(  # noqa: PLR0913, PLR0917 - all there is
    grey: ByteArray,
    texture: ByteArray,
    planes: npt.NDArray[np.float32],
    keep: ByteArray,
    pixel: np.float32,
    reach: int,
    runner: Runner,
) -> Surroundings:
    """Find where lines may end. `pixel` is that of `matching.Chances`; see there and `Surroundings` for the others."""
    lines = len(_LINES), 4 * sum(grey.shape) + 1
    first, last = np.full(lines, max(grey.shape), np.int32), np.full(lines, -1, np.int32)
    around = Surroundings(grey, texture, planes, keep, pixel * _SAME, reach, first, last)
    runner.whole(_find_ends, around)
    return around


@compiled
def _find_ends(around: Any) -> None:
    for row in range(around.keep.shape[0]):
        for column in range(around.keep.shape[1]):
            if around.keep[row, column] != 0 and _may_end(around.texture[row, column]):
                for line in range(_LINES.shape[0]):
                    through, place = _on_line(around, line, row, column)
                    around.first[line, through] = min(around.first[line, through], place)
                    around.last[line, through] = max(around.last[line, through], place)


@inner
def _may_end(kind: Any) -> Any:
    return kind == TEXTURED or kind == BORROWED  # noqa: PLR1714 - numba makes a set of a set


@inner
def _on_line(around: Any, line: int, row: int, column: int) -> Any:
    """Which line in a direction goes through a pixel, and where on it that is."""
    down, right = _LINES[line, 0], _LINES[line, 1]
    middle = around.first.shape[1] // 2
    return right * row - down * column + middle, row if down > 0 else column


@inner
def _is_between(around: Any, line: int, row: int, column: int) -> Any:
    """Tell whether a line through a pixel may have ends on both sides of it."""
    through, place = _on_line(around, line, row, column)
    return around.first[line, through] < place < around.last[line, through]


@compiled
def fill_flat(around: Any, first: int, end: int) -> None:
    """Write planes and `keep` of pixels without texture, in the rows from `first` to before `end`."""
    depths, slopes = np.empty(_LINES.shape[0], np.float32), np.empty(_LINES.shape[0], np.float32)
    for row in range(first, end):
        for column in range(around.texture.shape[1]):
            kind = around.texture[row, column]
            if kind == WEAK or (kind == FAINT and around.keep[row, column] == 0):
                _fill(around, row, column, depths, slopes)


@inner
def _fill(around: Any, row: int, column: int, depths: Any, slopes: Any) -> None:
    found = 0
    for line in range(_LINES.shape[0]):
        depths[line] = _F(0.0)
        if _is_between(around, line, row, column):
            down, right = _LINES[line, 0], _LINES[line, 1]
            ahead = _steps(around, row, column, down, right)
            behind = _steps(around, row, column, -down, -right) if ahead > 0 else 0
            if behind > 0:
                depths[line], slopes[line] = _between(around, line, row, column, ahead, behind)
                found += 1
    best, most = 0, 0
    for line in range(_LINES.shape[0]):
        count = 0
        for other in range(_LINES.shape[0]):
            count += depths[other] > _F(0.0) and abs(depths[other] - depths[line]) <= around.tolerance
        if depths[line] > _F(0.0) and count > most:
            best, most = line, count
    if most >= _AGREEING and 2 * most > found:
        _lay(around, row, column, depths, slopes, depths[best])
        around.keep[row, column] = 1


@inner
def _between(around: Any, line: int, row: int, column: int, ahead: int, behind: int) -> Any:  # noqa: PLR0913, PLR0917
    """The inverse depth at a pixel on the line between two others, and how it changes with a step."""
    down, right = _LINES[line, 0], _LINES[line, 1]
    there = around.planes[row + ahead * down, column + ahead * right, 0]
    slope = (there - around.planes[row - behind * down, column - behind * right, 0]) / _F(ahead + behind)
    return there - slope * _F(ahead), slope


@inner
def _steps(around: Any, row: int, column: int, down: int, right: int) -> Any:
    """How many steps away the next textured pixel with a plane lies; 0 where none does or an unlike one is first."""
    for step in range(1, around.reach + 1):
        r, c = row + step * down, column + step * right
        if not (0 <= r < around.texture.shape[0] and 0 <= c < around.texture.shape[1]):
            return 0
        if _may_end(around.texture[r, c]):
            if not _is_alike(around, row, column, r, c):
                return 0
            if around.keep[r, c] != 0:
                return step
    return 0


@inner
def _is_alike(around: Any, row: int, column: int, r: int, c: int) -> Any:
    return abs(np.int32(around.grey[r, c]) - np.int32(around.grey[row, column])) <= _ALIKE


@inner
def _lay(around: Any, row: int, column: int, depths: Any, slopes: Any, middle: Any) -> None:  # noqa: PLR0913, PLR0917
    """Lay the plane that comes nearest to the lines around a depth: their mean, and the slopes' least squares."""
    total, count = _F(0.0), _F(0.0)
    rr, rd, dd, right_sum, down_sum = _F(0.0), _F(0.0), _F(0.0), _F(0.0), _F(0.0)
    for line in range(_LINES.shape[0]):
        if depths[line] > _F(0.0) and abs(depths[line] - middle) <= around.tolerance:
            down, right = _F(_LINES[line, 0]), _F(_LINES[line, 1])
            total += depths[line]
            count += _F(1.0)
            rr += right * right
            rd += right * down
            dd += down * down
            right_sum += right * slopes[line]
            down_sum += down * slopes[line]
    scale = _F(1.0) / (rr * dd - rd * rd)
    around.planes[row, column, 0] = total / count
    around.planes[row, column, 1] = (dd * right_sum - rd * down_sum) * scale
    around.planes[row, column, 2] = (rr * down_sum - rd * right_sum) * scale


@compiled
def find_fringes(around: Any, fringes: Any, first: int, end: int) -> None:
    """Write which pixels have another surface's plane, uint8 (H, W), in the rows from `first` to before `end`."""
    for row in range(first, end):
        for column in range(around.texture.shape[1]):
            borrowed = around.texture[row, column] == BORROWED and around.keep[row, column] != 0
            fringes[row, column] = borrowed and not _is_flat(around, row, column)


@inner
def _is_flat(around: Any, row: int, column: int) -> Any:
    """Tell whether enough lines through a pixel come to its depth."""
    found, agreeing = 0, 0
    for line in range(_LINES.shape[0]):
        if _is_between(around, line, row, column):
            down, right = _LINES[line, 0], _LINES[line, 1]
            ahead = _steps_to_edge(around, row, column, down, right)
            behind = _steps_to_edge(around, row, column, -down, -right) if ahead > 0 else 0
            if behind > 0:
                depth, _ = _between(around, line, row, column, ahead, behind)
                found += 1
                agreeing += abs(depth - around.planes[row, column, 0]) <= around.tolerance
    return agreeing >= _AGREEING and 2 * agreeing > found


@inner
def _steps_to_edge(around: Any, row: int, column: int, down: int, right: int) -> Any:
    """How many steps away the last pixel with a plane lies before an unlike one, or the first with texture of its own.

    0 where there is none.
    """
    last = 0
    for step in range(1, around.reach + 1):
        r, c = row + step * down, column + step * right
        if not (0 <= r < around.texture.shape[0] and 0 <= c < around.texture.shape[1]):
            return 0
        if not _is_alike(around, row, column, r, c):
            return last
        if around.keep[r, c] != 0 and around.texture[r, c] == TEXTURED:
            return step
        if around.keep[r, c] != 0 and around.texture[r, c] == BORROWED:
            last = step
    return 0
