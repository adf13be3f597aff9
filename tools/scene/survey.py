"""A site seen from a drone that flies in strips: what is hard for dense matching, each at a place of its own.

On rolling ground stand boxes with vertical walls, domes, and tilted slabs; some ground has next to no texture, and one
field is a grid of equal tiles, which look like one another. Tall towers hide what is behind them.
"""

from typing import Final

import numpy as np

from tools.scene.camera import Camera, look_at
from tools.scene.raycast import BOX, ELLIPSOID, FRUSTUM, Solids
from tools.scene.ruin import Colour, Site

EXTENT: Final = 16.0
"""Side of the site in metres."""

_SOIL: Final = ((0.20, 0.15, 0.10), (0.46, 0.38, 0.26))
_MEADOW: Final = ((0.12, 0.20, 0.06), (0.40, 0.44, 0.20))
_BRICK: Final = ((0.32, 0.12, 0.08), (0.62, 0.34, 0.24))
_CONCRETE: Final = ((0.30, 0.30, 0.30), (0.62, 0.60, 0.58))
_PLASTER: Final = ((0.455, 0.445, 0.430), (0.47, 0.46, 0.445))
"""Two colours so alike that little texture is left."""
_SMOOTH: Final = 0.03
"""How much of the usual relief plaster has."""
_ALL: Final = (_SOIL, _MEADOW, _BRICK, _CONCRETE)
_FINE: Final = (2.5, 2.5, 2.5)


def site(seed: int = 0) -> Solids:
    """Build the site: z up, the ground's mean height 0."""
    made = _ground(seed)
    for part in (_hills, _houses, _domes, _slabs, _plain, _tiles, _towers):
        part(made)
    return made.arrays()


def estate(seed: int = 0) -> Solids:
    """Build another site: houses of plaster, on which nothing but their edges can be recognised."""
    made = _ground(seed)
    for _ in range(30):
        size = (made.random.uniform(0.4, 0.9), made.random.uniform(0.4, 0.9), made.random.uniform(0.2, 0.6))
        turn = made.jitter(3)
        made.put(BOX, (*_place(made), size[2] - 0.1), size, _PLASTER, turn=turn, grain=_FINE, relief=_SMOOTH)
    return made.arrays()


def _ground(seed: int) -> Site:
    made = Site(np.random.default_rng(seed))
    made.put(BOX, (0, 0, -0.5), (EXTENT, EXTENT, 0.5), _SOIL, grain=(1.5, 1.5, 1.5))
    return made


def _place(made: Site) -> tuple[float, float]:
    x, y = made.random.uniform(-0.5, 0.5, 2) * EXTENT
    return float(x), float(y)


def _colours(made: Site) -> tuple[Colour, Colour]:
    return _ALL[made.random.integers(len(_ALL))]


def _hills(made: Site) -> None:
    for _ in range(40):
        breadth = made.random.uniform(0.8, 2.0)
        size = (breadth, breadth * made.random.uniform(0.6, 1.0), made.random.uniform(0.15, 0.4))
        made.put(ELLIPSOID, (*_place(made), -0.02), size, _MEADOW, turn=made.jitter(3), grain=(1.5, 1.5, 1.5))


def _houses(made: Site) -> None:
    for _ in range(18):
        size = (made.random.uniform(0.3, 0.8), made.random.uniform(0.3, 0.6), made.random.uniform(0.3, 0.8))
        made.put(BOX, (*_place(made), size[2] - 0.1), size, _colours(made), turn=made.jitter(3), grain=_FINE)


def _domes(made: Site) -> None:
    for _ in range(12):
        radius = made.random.uniform(0.3, 0.7)
        made.put(ELLIPSOID, (*_place(made), 0.1), (radius, radius, radius), _colours(made), grain=_FINE)


def _slabs(made: Site) -> None:
    for _ in range(10):
        size = (made.random.uniform(0.5, 0.9), made.random.uniform(0.5, 0.9), 0.06)
        lean = made.random.uniform(0.3, 0.8)
        made.put(BOX, (*_place(made), 0.4), size, _colours(made), turn=made.jitter(3), lean=lean, grain=_FINE)


def _plain(made: Site) -> None:
    for x, y in ((-3.0, 2.0), (2.5, -2.5)):
        made.put(BOX, (x, y, 0.42), (1.0, 0.8, 0.05), _PLASTER, turn=0.3, grain=_FINE, relief=_SMOOTH)


def _tiles(made: Site) -> None:
    """Equal down to their texture: the one solid is put again and again."""
    made.put(BOX, (0, 0, 0), (0.19, 0.19, 0.5), _BRICK, grain=_FINE)
    made.repeat([(0.5 + 0.4 * column, 2.0 + 0.4 * row, 0.0) for row in range(5) for column in range(5)])


def _towers(made: Site) -> None:
    for x, y in ((-1.5, -1.5), (3.5, 1.0), (-4.0, -3.0)):
        made.put(FRUSTUM, (x, y, 1.0), (0.35, 0.25, 1.0), _CONCRETE, grain=_FINE)


def strips(*, photos: int, width: int, seed: int = 0) -> tuple[Camera, ...]:
    """Fly over the site in three strips, looking down aslant, never exact: neighbours are about 9 degrees apart."""
    random = np.random.default_rng(seed)
    height = width * 3 // 4
    cameras = []
    for index in range(photos):
        along, strip = divmod(index, 3)
        steps = -(-photos // 3)
        x = 1.25 * (along - (steps - 1) / 2) + random.uniform(-0.1, 0.1)
        centre = np.array([x, 1.6 * (strip - 1) - 2.0 + random.uniform(-0.1, 0.1), 7.5 + random.uniform(-0.2, 0.2)])
        target = np.array([x * 0.9, 1.2 * (strip - 1) + random.uniform(-0.1, 0.1), 0.0])
        cameras.append(
            Camera(
                name=f"strip-{strip}/photo-{along + 1:02d}.png",
                width=width,
                height=height,
                focal=float(width),
                principal_point=(width / 2 + 3.0, height / 2 - 2.0),
                rotation=tuple(map(tuple, look_at(centre=centre, target=target).tolist())),
                centre=tuple(centre.tolist()),
            )
        )
    return tuple(cameras)
