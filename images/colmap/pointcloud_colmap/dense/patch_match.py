"""Depth and normal maps for all views of a COLMAP dense workspace, one view at a time.

Two passes: *photometric*, where a view is compared with its neighbours' images, from coarse to fine; then *geometric*,
where it is also compared with their photometric depths, for one sweep. Each view of a pass depends on no other of that
pass, and a view's maps are moved to their place when they are whole, so that a killed run continues where it was, and
views can be shared out.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pointcloud_colmap.beating import beating
from pointcloud_colmap.dense.comparison import Comparison, begun, compare, with_depths
from pointcloud_colmap.dense.filters import kept_planes, remove_specks
from pointcloud_colmap.dense.flat import fill_flat, find_fringes, surroundings
from pointcloud_colmap.dense.grids import from_maps, to_maps
from pointcloud_colmap.dense.images import Images
from pointcloud_colmap.dense.maps import MapFiles, read_map
from pointcloud_colmap.dense.matching import RADIUS, Chances, State, View, begin, find_texture, sharpen, sweep
from pointcloud_colmap.dense.recipe import Recipe
from pointcloud_colmap.dense.threads import Runner, running_on
from pointcloud_colmap.dense.views import DenseView
from pointcloud_colmap.depth_maps import Pass

ByteArray = npt.NDArray[np.uint8]

_GUESSES: Final = 6
"""Planes made up anywhere for each pixel of the coarsest scale."""
_LEAST_SIDE: Final = 32
"""Pixels of the smallest image at the coarsest scale: some windows, or there is nothing to compare."""
_REACH: Final = 4
"""How far across a surface without texture one looks for its edge: as a part of the longer side."""
_BYTES_A_PIXEL: Final = 100
"""With eight sources: 89 are counted in the geometric pass, 8 of them for each source."""


@dataclass(frozen=True, kw_only=True)
class Estimation:
    """What became of the views."""

    estimated: tuple[str, ...]
    """Names of views that have maps."""
    skipped: tuple[str, ...]
    """Names of views that have none, as fewer than two others see the same from a useful angle."""


def estimate_maps(  # noqa: PLR0913 - what is estimated, how, and with what
    workspace: Path,
    views: Mapping[str, DenseView],
    *,
    recipe: Recipe,
    threads: int,
    memory: int,
    tell: Callable[[int, int], None],
) -> Estimation:
    """Write the maps that are missing.

    Args:
        workspace: A dense workspace with undistorted images. A view whose image has a mask, `masks/<name>.png`, gets
            no depths where that is black.
        views: All of its views by name, from `views.read_views` with the recipe's number of sources.
        recipe: How much work to do.
        threads: Does not change the maps.
        memory: Bytes for images that are kept; see `memory_beside`.
        tell: Is told of how many views how many are done, a view counting once in each pass: after each, and every few
            seconds in between, from another thread.

    Raises:
        ValueError: The workspace is none: a camera that is no pinhole camera, an image that cannot be read.
    """
    chosen = [view for view in views.values() if view.enough]
    done = 0

    def look() -> None:
        tell(done, 2 * len(chosen))

    with running_on(threads) as runner, beating(look):
        work = Work(workspace, views, Images(workspace, memory=memory, runner=runner), recipe, runner)
        for estimate, which in ((photometric, Pass.PHOTOMETRIC), (geometric, Pass.GEOMETRIC)):
            for view in chosen:
                if not work.maps(view, which).exist():
                    estimate(work, view)
                done += 1
                look()
    estimated = tuple(view.name for view in chosen)
    return Estimation(estimated=estimated, skipped=tuple(view.name for view in views.values() if not view.enough))


def memory_beside(width: int, height: int) -> int:
    """Bytes that `estimate_maps` takes beside the images it keeps, when the largest view has so many pixels."""
    return _BYTES_A_PIXEL * width * height


@dataclass(frozen=True)
class Work:
    """What both passes work with."""

    workspace: Path
    views: Mapping[str, DenseView]
    images: Images
    recipe: Recipe
    runner: Runner

    def maps(self, view: DenseView, which: Pass) -> MapFiles:
        """Where a view's maps are, or will be."""
        return MapFiles.of(self.workspace, view.name, which)

    def neighbours(self, view: DenseView) -> list[DenseView]:
        """The views that it is compared with."""
        return [self.views[name] for name in view.neighbours]

    def begin(self, comparison: Comparison, state: State, chances: Chances) -> None:
        """Cost the planes there are, and make up the others."""
        self.runner.rows(begin, comparison.shape[0], comparison.view, comparison.sources, state, chances)

    def sweep(self, comparison: Comparison, state: State, chances: Chances) -> None:
        """Improve all planes once."""
        for colour in (0, 1):
            self.runner.rows(sweep, comparison.shape[0], comparison.view, comparison.sources, state, chances, colour)

    def sharpen(self, comparison: Comparison, state: State, chances: Chances) -> None:
        """Decide at edges which side a pixel lies on."""
        for colour in (0, 1):
            self.runner.rows(sharpen, comparison.shape[0], comparison.view, comparison.sources, state, chances, colour)


def photometric(work: Work, view: DenseView) -> None:
    """Find a view's planes by its neighbours' images, from coarse to fine, and write its photometric maps."""
    recipe, others = work.recipe, work.neighbours(view)
    wanted = work.images.wanted(view)
    state: State | None = None
    for halvings in range(_halvings(view, others, recipe), -1, -1):
        comparison = compare(view, others, wanted, work.images, halvings=halvings, runner=work.runner)
        first = state is None
        place = 0 if first else (1 if halvings else 2)
        state = begun(comparison.shape, state, work.runner)
        chances = _chances(view, comparison, stage=halvings, tries=_GUESSES)
        work.begin(comparison, state, chances)
        for turn in range(recipe.iterations[place]):
            work.sweep(
                comparison,
                state,
                chances._replace(
                    reach=np.float32((4.0 if first else 1.5) * 0.5**turn),
                    tilt=np.float32((0.5 if first else 0.2) * 0.6**turn),
                    tries=recipe.refinements[place],
                    seed=chances.seed + 1 + turn,
                    far=True,
                ),
            )
    if state is None:
        raise AssertionError("there is always a scale")
    seen = comparison.view
    del comparison  # the sources make room for the maps
    keep = kept_planes(state, wanted, chances, limit=recipe.cost_limit)
    _write(work, work.maps(view, Pass.PHOTOMETRIC), seen, state, keep)


def geometric(work: Work, view: DenseView) -> None:
    """Improve a view's planes by its neighbours' photometric depths as well, filter, and write its geometric maps."""
    recipe, others = work.recipe, work.neighbours(view)
    wanted = work.images.wanted(view)
    comparison = with_depths(
        compare(view, others, wanted, work.images, halvings=0, runner=work.runner),
        others,
        [work.maps(other, Pass.PHOTOMETRIC) for other in others],
        work.runner,
    )
    state = begun(comparison.shape, None, work.runner)
    own = work.maps(view, Pass.PHOTOMETRIC)
    work.runner.rows(
        from_maps,
        *(comparison.shape[0], read_map(own.depth)[0], read_map(own.normal)),
        *(comparison.view.focal, comparison.view.principal, state.planes),
    )
    chances = _chances(view, comparison, stage=-1, tries=0)._replace(disagreement=np.float32(recipe.disagreement))
    work.begin(comparison, state, chances)
    work.sweep(
        comparison,
        state,
        chances._replace(reach=np.float32(1.5), tilt=np.float32(0.2), tries=recipe.geometric_refinements),
    )
    # The neighbours' depths are as fat at edges as one's own.
    work.sharpen(comparison, state, chances._replace(disagreement=np.float32(0)))
    seen = comparison.view
    del comparison  # the sources make room for the maps
    keep = kept_planes(state, wanted, chances, limit=recipe.cost_limit + recipe.disagreement)
    remove_specks(state, keep, chances, smallest=recipe.speckle, runner=work.runner)
    _judge_textureless(work, seen, state, keep, chances)
    remove_specks(state, keep, chances, smallest=recipe.speckle, runner=work.runner)  # what is left of fringes
    _write(work, work.maps(view, Pass.GEOMETRIC), seen, state, keep)


def _judge_textureless(work: Work, view: View, state: State, keep: ByteArray, chances: Chances) -> None:
    """Give planes to pixels without texture amid what is flat, and take those away that are another surface's."""
    height, width = keep.shape
    texture, fringes = np.empty(keep.shape, np.uint8), np.empty(keep.shape, np.uint8)
    work.runner.rows(find_texture, height, view, texture)
    grey = view.grey[RADIUS:-RADIUS, RADIUS:-RADIUS]
    reach = max(height, width) // _REACH
    around = surroundings(grey, texture, state.planes, keep, chances.pixel, reach, work.runner)
    work.runner.rows(fill_flat, height, around)
    work.runner.rows(find_fringes, height, around, fringes)
    keep[fringes > 0] = 0


def _halvings(view: DenseView, others: list[DenseView], recipe: Recipe) -> int:
    """How often to halve images: to the recipe's coarsest scale, as long as no image is then too small."""
    longer = max(view.width, view.height)
    smallest = min(min(each.width, each.height) for each in (view, *others))
    count = 0
    while longer >> (count + 1) >= recipe.coarsest and smallest >> (count + 1) >= _LEAST_SIDE:
        count += 1
    return count


def _chances(view: DenseView, comparison: Comparison, *, stage: int, tries: int) -> Chances:
    """Of one view and scale. The view's name decides the seed, so that no other view does."""
    return Chances(
        nearest=np.float32(1 / view.nearest),
        farthest=np.float32(1 / view.farthest),
        pixel=np.float32(comparison.pixel),
        reach=np.float32(0),
        tilt=np.float32(0),
        tries=tries,
        seed=zlib.crc32(f"{stage} {view.name}".encode()),
        disagreement=np.float32(0),
        far=False,
    )


def _write(work: Work, files: MapFiles, view: View, state: State, keep: ByteArray) -> None:
    height, width = keep.shape
    depth, normal = np.empty((height, width), np.float32), np.empty((3, height, width), np.float32)
    work.runner.rows(to_maps, height, state.planes, keep, view.focal, view.principal, depth, normal)
    files.write(depth, normal)
