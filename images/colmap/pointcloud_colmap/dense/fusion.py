"""From depth maps to a cloud: one view after the other, each in bands of rows, so that memory does not grow with views.

Each view's pixels are compared with the maps of the views that share most with it (`agreement.py`), more of them than
its own map was made from, because a point that was found already is not to be made again.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pointcloud_colmap.beating import beating
from pointcloud_colmap.dense.agreement import Band, Others, Reference, gather
from pointcloud_colmap.dense.comparison import projection
from pointcloud_colmap.dense.images import Images
from pointcloud_colmap.dense.maps import MapFiles, read_map
from pointcloud_colmap.dense.packed import PackedViews
from pointcloud_colmap.dense.threads import Runner, running_on
from pointcloud_colmap.dense.views import DenseView, read_views
from pointcloud_colmap.dense_cloud import VERTEX
from pointcloud_colmap.depth_maps import Pass

AGREEING: Final = 2
"""Other views that have to agree with a pixel: one may agree by chance."""
NEIGHBOURS: Final = 8
"""Other views that are asked, at most."""
_ROWS: Final = 256
"""Rows of a band."""


def fuse_maps(  # noqa: PLR0913 - what is fused, how, and where to
    workspace: Path,
    names: Sequence[str],
    *,
    made_in: Pass,
    pixel_centre: float,
    scratch: Path,
    output: Path,
    threads: int,
    tell: Callable[[int, int], None],
) -> int:
    """Write the points that views agree on, and give their number.

    Args:
        workspace: A dense workspace of COLMAP's with undistorted images, and with masks as `<name>.png` in `masks`
            where there are any: nothing is made of what is black there.
        names: Of the views that have maps. Their order does not matter.
        made_in: The pass whose maps are fused.
        pixel_centre: Where a map's value is of, from the pixel's upper left corner: 0.5 is the middle.
        scratch: A folder that does not exist yet; takes 14 bytes a pixel, and may be removed afterwards.
        output: Written: rows of `dense_cloud.VERTEX` in the model's frame.
        threads: Does not change the points.
        tell: Is told of how many views how many are done: after each, and every few seconds from another thread.

    Raises:
        ValueError: A camera is no pinhole camera; an image or a map is not as large as its camera says.
    """
    chosen = set(names)
    views = {
        name: _moved(view, chosen, pixel_centre)
        for name, view in read_views(workspace, sources=sys.maxsize).items()
        if name in chosen
    }
    done = points = 0

    def look() -> None:
        tell(done, len(views))

    with running_on(threads) as runner, output.open("wb") as stream, beating(look):
        fusion = Fusion(workspace, views, made_in, PackedViews(scratch, views.values()), runner)
        for view in views.values():
            for rows in fusion.points(view):
                rows.tofile(stream)
                points += len(rows)
            done += 1
            look()
    return points


def _moved(view: DenseView, chosen: set[str], pixel_centre: float) -> DenseView:
    """A view with its principal point where its maps have it, and with those neighbours that have maps."""
    column, row = view.principal
    return replace(
        view,
        principal=(column + 0.5 - pixel_centre, row + 0.5 - pixel_centre),
        neighbours=tuple(name for name in view.neighbours if name in chosen)[:NEIGHBOURS],
    )


class Fusion:
    """What views are fused with; each view's points are to be asked for once, as it uses up others'.

    Args:
        workspace: Holds maps and images.
        views: By name, with their neighbours among them.
        made_in: The pass of the maps.
        packed: Takes the views when they are needed.
        runner: Runs the kernel.
    """

    def __init__(
        self, workspace: Path, views: dict[str, DenseView], made_in: Pass, packed: PackedViews, runner: Runner
    ) -> None:
        self._workspace = workspace
        self._views = views
        self._made_in = made_in
        self._packed = packed
        self._runner = runner
        self._images = Images(workspace, memory=0, runner=runner)
        self._there: set[str] = set()

    def points(self, view: DenseView) -> Iterator[npt.NDArray[Any]]:
        """The points that a view makes, rows of `VERTEX`, a band of the view after the other."""
        others = [self._views[name] for name in view.neighbours]
        if len(others) < AGREEING:
            return
        for each in (view, *others):
            self._bring(each)
        pixels, reference, compared = self._packed.mapped(), self._reference(view), self._others(view, others)
        band = _band(min(_ROWS, view.height), view.width)
        for top in range(0, view.height, _ROWS):
            height = min(_ROWS, view.height - top)
            self._runner.rows(gather, height, pixels, reference, compared, AGREEING, band, top)
            yield _vertices(band, height)

    def _bring(self, view: DenseView) -> None:
        if view.name in self._there:
            return
        files = MapFiles.of(self._workspace, view.name, self._made_in)
        depth, normal = read_map(files.depth), read_map(files.normal)
        if depth.shape != (1, view.height, view.width) or normal.shape != (3, view.height, view.width):
            raise ValueError(f"{files.depth} is not as large as its camera says; remove it, and it is made again")
        self._packed.write(view, depth[0], normal, self._images.colours(view), self._images.wanted(view))
        self._there.add(view.name)

    def _reference(self, view: DenseView) -> Reference:
        return Reference(
            start=self._packed.start(view),
            width=view.width,
            focal=np.array(view.focal, np.float32),
            principal=np.array(view.principal, np.float32),
            rotation=np.ascontiguousarray(view.rotation.T),
            centre=view.centre,
        )

    def _others(self, view: DenseView, others: Sequence[DenseView]) -> Others:
        return Others(
            start=np.array([self._packed.start(other) for other in others], np.int64),
            size=np.array([(other.width, other.height) for other in others], np.int32),
            focal=np.array([other.focal for other in others], np.float32),
            principal=np.array([other.principal for other in others], np.float32),
            rotation=np.array([other.rotation.T for other in others], order="C"),
            onto=np.stack([projection(view, other, 0) for other in others]),
            back=np.stack([projection(other, view, 0) for other in others]),
        )


def _band(height: int, width: int) -> Band:
    return Band(
        made=np.zeros(height, np.int64),
        place=np.empty((height, width, 3), np.float32),
        normal=np.empty((height, width, 3), np.float32),
        colour=np.empty((height, width, 3), np.uint8),
        views=np.empty((height, width), np.uint16),
    )


def _vertices(band: Band, height: int) -> npt.NDArray[Any]:
    """The points of a band's first rows, as rows of `VERTEX`."""
    filled = np.arange(band.views.shape[1]) < band.made[:height, None]
    vertices = np.empty(np.count_nonzero(filled), VERTEX)
    for name, values in (("", band.place), ("n", band.normal)):
        for axis, letter in enumerate("xyz"):
            vertices[name + letter] = values[:height, :, axis][filled]
    for channel, colour in enumerate(("red", "green", "blue")):
        vertices[colour] = band.colour[:height, :, channel][filled]
    vertices["views"] = band.views[:height][filled]
    return vertices
