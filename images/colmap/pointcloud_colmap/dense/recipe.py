"""How much work depth maps are given, by the quality that is asked for. The photos' size is decided before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pointcloud_api.resource import Quality


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What decides the content of the maps: two runs with the same photos, model and recipe give the same."""

    sources: int = 8
    """Other views that a view is compared with, at most: 8 at most.

    More find more points, and less wrong, for little time: the best two count, and most others are given up early.
    """
    iterations: tuple[int, int, int] = (4, 2, 1)
    """Sweeps at the coarsest scale, at those in between, and at the full size."""
    refinements: tuple[int, int, int] = (3, 2, 2)
    """Planes near the present one that a sweep tries for each pixel, at these scales."""
    geometric_refinements: int = 3
    """The same for the one sweep that also compares depths."""
    coarsest: int = 200
    """Scales are halved until the longer side is about this, in pixels."""
    cost_limit: float = 0.8
    """A pixel whose best plane looks less alike than this is left without depth: 0 is equal, 1 unrelated."""
    disagreement: float = 0.15
    """What each pixel by which depths of two views disagree adds to the cost, up to three."""
    speckle: int = 100
    """Connected pieces of fewer pixels are removed."""


_THOROUGH: Final = Recipe(iterations=(5, 3, 2), refinements=(4, 3, 3))
RECIPES: Final[Mapping[Quality, Recipe]] = {
    Quality.LOW: Recipe(refinements=(3, 2, 1), geometric_refinements=2),
    Quality.MEDIUM: Recipe(),
    Quality.HIGH: _THOROUGH,
    Quality.EXTREME: _THOROUGH,
}
