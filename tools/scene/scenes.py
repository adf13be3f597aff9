"""The scenes that can be rendered, by name: what stands there, and which way the camera takes."""

from collections.abc import Callable, Mapping
from typing import Final

from tools.scene.paths import corridor, grid, orbit, through, video
from tools.scene.photos import Scene
from tools.scene.ruin import EXTENT, ROW_EXTENT, row, ruin

LENS: Final = (-0.12, 0.03)
"""Distortion (k1, k2) as of a compact camera's wide end: straight lines bend by 4 % of the picture at its corners."""


def _orbit(photos: int, width: int) -> Scene:
    return Scene(solids=ruin(), extent=EXTENT, cameras=orbit(photos=photos, width=width))


def _grid(photos: int, width: int) -> Scene:
    return Scene(solids=ruin(), extent=EXTENT, cameras=grid(photos=photos, width=width))


def _corridor(photos: int, width: int) -> Scene:
    return Scene(solids=row(), extent=ROW_EXTENT, cameras=corridor(photos=photos, width=width))


def _video(photos: int, width: int) -> Scene:
    return Scene(solids=ruin(), extent=EXTENT, cameras=video(photos=photos, width=width), tells=False)


_SCENES: Final[Mapping[str, Callable[[int, int], Scene]]] = {
    "orbit": _orbit,
    "grid": _grid,
    "corridor": _corridor,
    "video": _video,
}
NAMES: Final = tuple(_SCENES)


def scene(name: str, *, photos: int, width: int, radial: tuple[float, float] = (0.0, 0.0)) -> Scene:
    """Give the scene of that name, one of NAMES, seen through a lens of that distortion (k1, k2)."""
    made = _SCENES[name](photos, width)
    return Scene(solids=made.solids, extent=made.extent, cameras=through(made.cameras, radial), tells=made.tells)
