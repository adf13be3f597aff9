"""What stands in the scene: a small ruined rotunda on a round island, no two stones alike, so that nothing mismatches.

A seed decides every size, tilt, tint and texture; two seeds share no texture, only the plan.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from tools.scene.camera import FloatArray
from tools.scene.raycast import BOX, ELLIPSOID, FRUSTUM, Solids

EXTENT: Final = 12.0
"""Diameter of the island in metres."""
ROW_EXTENT: Final = 22.0
"""Length of two islands in a row, which overlap by 2 m."""
_APART: Final = 10.0

Colour = tuple[float, float, float]

# Pairs of linear colours, dark to light, that a surface's texture mixes.
_GRASS: Final = ((0.13, 0.19, 0.05), (0.42, 0.38, 0.16))
_EARTH: Final = ((0.22, 0.13, 0.08), (0.42, 0.30, 0.18))
_PAVING: Final = ((0.36, 0.30, 0.24), (0.62, 0.56, 0.46))
_LIMESTONE: Final = ((0.50, 0.42, 0.30), (0.80, 0.74, 0.62))
_SANDSTONE: Final = ((0.48, 0.27, 0.15), (0.76, 0.54, 0.34))
_GRANITE: Final = ((0.26, 0.27, 0.30), (0.54, 0.53, 0.52))
_VERDIGRIS: Final = ((0.10, 0.34, 0.33), (0.36, 0.62, 0.54))
_TERRACOTTA: Final = ((0.40, 0.12, 0.06), (0.68, 0.34, 0.18))
_LEAVES: Final = ((0.05, 0.14, 0.04), (0.27, 0.42, 0.10))
_PORPHYRY: Final = ((0.28, 0.08, 0.10), (0.56, 0.26, 0.24))


@dataclass(frozen=True, kw_only=True)
class _Solid:
    kind: int
    centre: FloatArray
    size: tuple[float, float, float]
    axes: FloatArray
    colours: tuple[Colour, Colour]
    grain: tuple[float, float, float]
    relief: float
    twin: int | None = None
    """The index of the solid whose texture it shares."""


@dataclass
class Site:
    """Collects solids; positions are (x, y) with the height of what they stand on."""

    random: np.random.Generator
    solids: list[_Solid] = field(default_factory=list)

    def put(  # noqa: PLR0913 - what a solid is takes this many words
        self,
        kind: int,
        centre: tuple[float, float, float],
        size: tuple[float, float, float],
        colours: tuple[Colour, Colour],
        *,
        turn: float = 0.0,
        lean: float = 0.0,
        grain: tuple[float, float, float] = (1.3, 1.3, 1.9),
        relief: float = 1.0,
    ) -> None:
        """Add a solid that leans from the vertical, then turns about it (radians); its tint is its own."""
        tint = self.random.uniform(0.82, 1.12) * self.random.uniform(0.94, 1.06, 3)
        dark, light = (tuple((np.array(colour) * tint).tolist()) for colour in colours)
        self.solids.append(
            _Solid(
                kind=kind,
                centre=np.array(centre),
                size=size,
                axes=_turned(turn) @ _leaned(lean),
                colours=(dark, light),
                grain=grain,
                relief=relief,
            )
        )

    def repeat(self, centres: list[tuple[float, float, float]]) -> None:
        """Put the last solid to these places instead, each time with the same texture."""
        last = self.solids.pop()
        self.solids += [replace(last, centre=np.array(centre), twin=len(self.solids)) for centre in centres]

    def jitter(self, spread: float) -> float:
        """Give a random number of at most `spread`, of either sign."""
        return float(self.random.uniform(-spread, spread))

    def arrays(self) -> Solids:
        """Give all solids in the form in which rays are cast at them."""
        solids = self.solids
        phases = self.random.integers(1, 2**40, len(solids))
        return Solids(
            kind=np.array([solid.kind for solid in solids]),
            axes=np.array([solid.axes for solid in solids]),
            centre=np.array([solid.centre for solid in solids]),
            size=np.array([solid.size for solid in solids]),
            reach=np.array([_reach(solid) for solid in solids]),
            colours=np.array([solid.colours for solid in solids]),
            grain=np.array([solid.grain for solid in solids]),
            relief=np.array([solid.relief for solid in solids]),
            phase=np.array([phases[index if solid.twin is None else solid.twin] for index, solid in enumerate(solids)]),
        )


def _turned(angle: float) -> FloatArray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _leaned(angle: float) -> FloatArray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])


def _reach(solid: _Solid) -> float:
    if solid.kind == BOX:
        return float(np.linalg.norm(solid.size))
    if solid.kind == FRUSTUM:
        return float(np.hypot(max(solid.size[:2]), solid.size[2]))
    return max(solid.size)


def _island(site: Site) -> None:
    radius = EXTENT / 2
    site.put(FRUSTUM, (0, 0, -0.35), (radius - 0.5, radius, 0.35), _GRASS, grain=(1.1, 1.1, 1.1))
    site.put(FRUSTUM, (0, 0, -1.0), (radius - 1.6, radius - 0.55, 0.32), _EARTH, grain=(0.9, 0.9, 2.0))
    for _ in range(7):
        bearing, distance = site.random.uniform(0, 2 * np.pi), site.random.uniform(4.2, 5.0)
        breadth = site.random.uniform(0.6, 1.0)
        spot = (distance * np.cos(bearing), distance * np.sin(bearing), 0.0)
        size = (breadth, breadth * 0.8, breadth * site.random.uniform(0.15, 0.4))
        site.put(ELLIPSOID, spot, size, _GRASS, turn=bearing, grain=(0.9, 0.9, 0.9))


def _plinth(site: Site) -> None:
    site.put(FRUSTUM, (0, 0, 0.1), (3.45, 3.4, 0.12), _GRANITE, grain=(0.9, 0.9, 1.6))
    site.put(FRUSTUM, (0, 0, 0.3), (3.05, 3.0, 0.12), _PAVING, grain=(0.8, 0.8, 1.6))
    for ring, stones in ((1.45, 9), (2.05, 13), (2.7, 15)):
        for stone in range(stones):
            bearing = 2 * np.pi * (stone + site.jitter(0.2)) / stones
            size = (0.24 + site.jitter(0.05), 0.36 + site.jitter(0.1), 0.05 + site.jitter(0.03))
            colours = (_PAVING, _SANDSTONE, _GRANITE)[site.random.integers(3)]
            spot = (ring * np.cos(bearing), ring * np.sin(bearing), 0.43)
            site.put(BOX, spot, size, colours, turn=bearing + site.jitter(0.15), grain=(1.6, 1.6, 1.6))


def _columns(site: Site) -> None:
    """Nine columns: some whole, under two lintels and one capital, the others broken at their own heights."""
    heights = (2.5, 2.5, 2.5, 1.2, 0.5, 1.75, 2.5, 0.8, 2.1)
    ring, floor = 2.35, 0.42
    bearings = [2 * np.pi * index / len(heights) + 0.2 for index in range(len(heights))]
    for bearing, height in zip(bearings, heights, strict=True):
        x, y = ring * np.cos(bearing), ring * np.sin(bearing)
        stone = _LIMESTONE if site.random.uniform() < 0.65 else _SANDSTONE
        site.put(BOX, (x, y, floor + 0.1), (0.34, 0.34, 0.1), stone, turn=bearing + site.jitter(0.1))
        shaft = (0.25, 0.25 - 0.02 * height, height / 2)
        middle = (x, y, floor + 0.2 + height / 2)
        site.put(FRUSTUM, middle, shaft, stone, turn=bearing, lean=site.jitter(0.02), grain=(1.8, 1.8, 1.1))
        if height == max(heights):
            site.put(FRUSTUM, (x, y, floor + 0.3 + height), (0.2, 0.36, 0.12), stone, turn=bearing)
            site.put(BOX, (x, y, floor + 0.48 + height), (0.36, 0.36, 0.07), _LIMESTONE, turn=bearing)
    for first in (0, 1):
        a, b = bearings[first], bearings[first + 1]
        middle_bearing, half = (a + b) / 2, ring * np.sin((b - a) / 2)
        distance = ring * np.cos((b - a) / 2)
        spot = (distance * np.cos(middle_bearing), distance * np.sin(middle_bearing), floor + 3.2)
        site.put(BOX, spot, (0.27, half + 0.12, 0.17), _SANDSTONE, turn=middle_bearing)


def _shrine(site: Site) -> None:
    """The drum and its dome, in the middle of the columns."""
    site.put(FRUSTUM, (0, 0, 0.55), (1.2, 1.1, 0.15), _PAVING)
    site.put(FRUSTUM, (0, 0, 1.3), (0.95, 0.92, 0.62), _TERRACOTTA, grain=(1.4, 1.4, 2.2))
    site.put(FRUSTUM, (0, 0, 1.95), (1.0, 1.12, 0.1), _LIMESTONE)
    site.put(ELLIPSOID, (0, 0, 2.0), (0.92, 0.92, 0.8), _VERDIGRIS, grain=(1.5, 1.5, 1.5))
    site.put(FRUSTUM, (0, 0, 2.9), (0.16, 0.08, 0.18), _LIMESTONE)
    site.put(ELLIPSOID, (0, 0, 3.15), (0.15, 0.15, 0.19), _PORPHYRY, grain=(4, 4, 4))
    for index in range(5):
        bearing = 2 * np.pi * index / 5 + site.jitter(0.15)
        size = (0.09, 0.17 + site.jitter(0.06), 0.42 + site.jitter(0.08))
        spot = (0.93 * np.cos(bearing), 0.93 * np.sin(bearing), 1.15)
        site.put(BOX, spot, size, (_LIMESTONE, _PORPHYRY)[index % 2], turn=bearing, grain=(2, 2, 2))


def _wall(site: Site) -> None:
    """A broken wall of separate blocks along the island's edge, higher at one end."""
    for course in range(5):
        lower = 0.32 * course
        along = -2.3 + site.random.uniform(0, 0.3)
        while along < 2.2 - 0.85 * course:
            half = site.random.uniform(0.2, 0.46)
            bearing = 3.6 + (along + half) / 4.4
            spot = (4.45 * np.cos(bearing), 4.45 * np.sin(bearing), lower + 0.15)
            stone = (_LIMESTONE, _SANDSTONE, _GRANITE)[site.random.integers(3)]
            size = (0.24 + site.jitter(0.05), half, 0.155 + site.jitter(0.01))
            site.put(BOX, spot, size, stone, turn=bearing + site.jitter(0.06), grain=(1.7, 1.7, 1.7))
            along += 2 * half + 0.03


def _rubble(site: Site) -> None:
    """What fell or grew around the plinth: column drums, an obelisk, pots, boulders, bushes."""
    for bearing, distance, length in ((0.55, 4.5, 0.75), (1.05, 4.3, 0.45), (2.45, 4.4, 0.6), (5.3, 4.6, 0.35)):
        spot = (distance * np.cos(bearing), distance * np.sin(bearing), 0.22)
        turn = site.random.uniform(0, np.pi)
        site.put(FRUSTUM, spot, (0.25, 0.24, length), _LIMESTONE, turn=turn, lean=np.pi / 2 + site.jitter(0.05))
    site.put(BOX, (1.5, 4.4, 0.12), (0.5, 0.5, 0.14), _GRANITE, turn=0.4)
    site.put(FRUSTUM, (1.5, 4.4, 1.05), (0.3, 0.14, 0.8), _PORPHYRY, turn=0.4, grain=(1.8, 1.8, 1.4))
    site.put(FRUSTUM, (1.5, 4.4, 1.97), (0.17, 0.02, 0.14), _VERDIGRIS)
    for index in range(22):
        bearing, distance = index * 2.4 + site.jitter(0.4), site.random.uniform(3.7, 5.6)
        x, y = distance * np.cos(bearing), distance * np.sin(bearing)
        breadth = site.random.uniform(0.14, 0.36)
        kind = index % 4
        turn = site.random.uniform(0, np.pi)
        if kind == 0:
            size = (breadth, breadth * 0.9, breadth * 1.1)
            site.put(ELLIPSOID, (x, y, breadth * 0.5), size, _LEAVES, turn=turn, grain=(3, 3, 3))
        elif kind == 1:
            size = (breadth, breadth * 0.7, breadth * 0.6)
            site.put(ELLIPSOID, (x, y, 0.05), size, _GRANITE, turn=turn, lean=site.jitter(0.4), grain=(2, 2, 2))
        elif kind == 2:
            size = (breadth, breadth * 0.7, breadth * 0.5)
            site.put(BOX, (x, y, 0.08), size, _SANDSTONE, turn=turn, lean=site.jitter(0.5), grain=(2, 2, 2))
        else:
            size = (breadth * 0.5, breadth * 0.85, 0.2)
            site.put(FRUSTUM, (x, y, 0.2), size, _TERRACOTTA, turn=turn, grain=(2.5, 2.5, 2.5))


def ruin(seed: int = 0) -> Solids:
    """Build the scene: about 150 solids within EXTENT, z up, the ground's top at z = 0."""
    site = Site(np.random.default_rng(seed))
    for part in (_island, _plinth, _columns, _shrine, _wall, _rubble):
        part(site)
    return site.arrays()


def row(ruins: int = 2) -> Solids:
    """Build ruins of as many seeds, each 10 m east of the one before, the middle of all at the origin."""
    built = [ruin(seed) for seed in range(ruins)]
    for index, one in enumerate(built):
        one.centre[:, 0] += _APART * (index - (ruins - 1) / 2)
    return Solids(*(np.concatenate(arrays) for arrays in zip(*built, strict=True)))
