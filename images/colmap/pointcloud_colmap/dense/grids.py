"""The loops over whole images and maps around the search, compiled by numba: scaling, packing, converting.

Each writes the rows from `first` to before `end` of its result, and reads what it likes of its input.
"""

from typing import Any

import numpy as np

from pointcloud_colmap.dense.compiled import compiled

_F = np.float32


@compiled
def halve(grey: Any, half: Any, first: int, end: int) -> None:
    """Average 2 x 2 pixels: uint8 (H, W) to (H // 2, W // 2). An odd last row or column is left out."""
    for row in range(first, end):
        for column in range(half.shape[1]):
            total = (
                np.int32(grey[2 * row, 2 * column])
                + np.int32(grey[2 * row, 2 * column + 1])
                + np.int32(grey[2 * row + 1, 2 * column])
                + np.int32(grey[2 * row + 1, 2 * column + 1])
            )
            half[row, column] = np.uint8((total + 2) >> 2)


@compiled
def pack(grey: Any, packed: Any, first: int, end: int) -> None:
    """Put a pixel and its neighbours below and to the right into one word, as `matching.Sources` has it.

    Args:
        grey: uint8 (H, W).
        packed: uint32 (H, W), written. Beyond the image's edge the edge is repeated.
        first: See above.
        end: See above.
    """
    height, width = grey.shape
    for row in range(first, end):
        below = min(row + 1, height - 1)
        for column in range(width):
            right = min(column + 1, width - 1)
            packed[row, column] = (
                np.uint32(grey[row, column])
                | np.uint32(grey[row, right]) << np.uint32(8)
                | np.uint32(grey[below, column]) << np.uint32(16)
                | np.uint32(grey[below, right]) << np.uint32(24)
            )


@compiled
def enlarge(coarse: Any, fine: Any, first: int, end: int) -> None:
    """Carry planes from one scale to the next: float32 (H, W, 3) to about (2 H, 2 W, 3)."""
    for row in range(first, end):
        r = min(row >> 1, coarse.shape[0] - 1)
        for column in range(fine.shape[1]):
            c = min(column >> 1, coarse.shape[1] - 1)
            w, gx, gy = coarse[r, c, 0], coarse[r, c, 1], coarse[r, c, 2]
            across = (_F(column) + _F(0.5)) * _F(0.5) - _F(0.5) - _F(c)
            down = (_F(row) + _F(0.5)) * _F(0.5) - _F(0.5) - _F(r)
            moved = w + gx * across + gy * down
            fine[row, column, 0] = moved if moved > _F(0.0) else w
            fine[row, column, 1] = gx * _F(0.5)
            fine[row, column, 2] = gy * _F(0.5)


@compiled
def to_maps(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    planes: Any, keep: Any, focal: Any, principal: Any, depth: Any, normal: Any, first: int, end: int
) -> None:
    """Write what COLMAP's maps hold of planes.

    Args:
        planes: float32 (H, W, 3), see `matching.State`.
        keep: uint8 (H, W), 0 where the maps are to say that nothing is known.
        focal: float32 (2,), see `matching.View`.
        principal: float32 (2,), see there.
        depth: float32 (H, W), written: along the optical axis, 0 where nothing is known.
        normal: float32 (3, H, W), written: of unit length, towards the camera, in its frame; 0 where unknown.
        first: See above.
        end: See above.
    """
    for row in range(first, end):
        for column in range(planes.shape[1]):
            w, gx, gy = planes[row, column, 0], planes[row, column, 1], planes[row, column, 2]
            if keep[row, column] == 0 or w <= _F(0.0):
                depth[row, column] = _F(0.0)
                for axis in range(3):
                    normal[axis, row, column] = _F(0.0)
                continue
            nx, ny = gx * focal[0], gy * focal[1]
            nz = w - gx * (_F(column) - principal[0]) - gy * (_F(row) - principal[1])
            scale = _F(-1.0) / np.sqrt(nx * nx + ny * ny + nz * nz)
            depth[row, column] = _F(1.0) / w
            normal[0, row, column], normal[1, row, column] = nx * scale, ny * scale
            normal[2, row, column] = nz * scale


@compiled
def from_maps(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    depth: Any, normal: Any, focal: Any, principal: Any, planes: Any, first: int, end: int
) -> None:
    """Undo `to_maps`: planes are 0 where nothing is known."""
    for row in range(first, end):
        for column in range(planes.shape[1]):
            known = depth[row, column]
            x = (_F(column) - principal[0]) / focal[0]
            y = (_F(row) - principal[1]) / focal[1]
            nx, ny, nz = normal[0, row, column], normal[1, row, column], normal[2, row, column]
            towards = nx * x + ny * y + nz
            for axis in range(3):
                planes[row, column, axis] = _F(0.0)
            if known > _F(0.0) and towards < _F(0.0):
                w = _F(1.0) / known
                planes[row, column, 0] = w
                planes[row, column, 1] = w * nx / (towards * focal[0])
                planes[row, column, 2] = w * ny / (towards * focal[1])


@compiled
def invert(depth: Any, inverse: Any, first: int, end: int) -> None:
    """Write inverse depths, 0 where there is none: float32 (H, W) to the same."""
    for row in range(first, end):
        for column in range(depth.shape[1]):
            known = depth[row, column]
            inverse[row, column] = _F(1.0) / known if known > _F(0.0) else _F(0.0)
