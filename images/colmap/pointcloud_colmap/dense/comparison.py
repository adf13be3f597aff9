"""One view and its sources at one scale, in the arrays that the search works on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pointcloud_colmap.dense.grids import enlarge, invert, pack
from pointcloud_colmap.dense.images import Images
from pointcloud_colmap.dense.maps import MapFiles, read_map
from pointcloud_colmap.dense.matching import RADIUS, UNSEEN, Sources, State, View
from pointcloud_colmap.dense.threads import Runner
from pointcloud_colmap.dense.views import DenseView, MatrixArray

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Comparison:
    """What planes of a view are compared by."""

    view: View
    sources: Sources
    pixel: float
    """The difference of inverse depth that moves a point by one pixel in a source at the median distance."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the view at this scale."""
        height, width = self.view.wanted.shape
        return height, width


def compare(  # noqa: PLR0913 - what is compared, and by which means
    view: DenseView, others: Sequence[DenseView], wanted: ByteArray, images: Images, *, halvings: int, runner: Runner
) -> Comparison:
    """Compare images that are halved so many times; `wanted` is of the full size, see `matching.View`."""
    grey = images.scales(view)[halvings]
    height, width = grey.shape
    scaled = wanted[:: 1 << halvings, :: 1 << halvings][:height, :width]
    calibration = _calibration(view, halvings)
    focal = np.array([calibration[0, 0], calibration[1, 1]], np.float32)
    principal = calibration[:2, 2].astype(np.float32)
    apart = np.median([np.linalg.norm(other.centre - view.centre) for other in others])
    return Comparison(
        view=View(np.pad(grey, RADIUS, mode="edge"), np.ascontiguousarray(scaled), focal, principal),
        sources=_sources(view, others, images, halvings, runner),
        pixel=float(1 / (calibration[0, 0] * apart)),
    )


def _sources(view: DenseView, others: Sequence[DenseView], images: Images, halvings: int, runner: Runner) -> Sources:
    sizes = [(other.width >> halvings, other.height >> halvings) for other in others]
    ends = np.cumsum([width * height for width, height in sizes])
    packed = np.empty(ends[-1], np.uint32)
    starts = np.concatenate([[0], ends[:-1]])
    for other, (width, height), start in zip(others, sizes, starts, strict=True):
        runner.rows(
            pack, height, images.scales(other)[halvings], packed[start : start + width * height].reshape(height, width)
        )
    return Sources(
        pixels=packed,
        start=starts.astype(np.int64),
        size=np.array(sizes, np.int32),
        onto=np.stack([projection(view, other, halvings) for other in others]),
        back=np.stack([projection(other, view, halvings) for other in others]),
        inverse_depth=np.empty(0, np.float32),
    )


def with_depths(
    comparison: Comparison, others: Sequence[DenseView], maps: Sequence[MapFiles], runner: Runner
) -> Comparison:
    """Compare by the sources' depths as well, at the full size; one without maps knows none."""
    sources = comparison.sources
    inverse = np.zeros(len(sources.pixels), np.float32)
    for start, other, files in zip(sources.start, others, maps, strict=True):
        if files.exist():
            there = inverse[start : start + other.width * other.height].reshape(other.height, other.width)
            runner.rows(invert, other.height, read_map(files.depth)[0], there)
    return Comparison(comparison.view, sources._replace(inverse_depth=inverse), comparison.pixel)


def begun(shape: tuple[int, int], coarser: State | None, runner: Runner) -> State:
    """What a scale begins with: the coarser one's planes, or none."""
    planes = np.zeros((*shape, 3), np.float32)
    if coarser is not None:
        runner.rows(enlarge, shape[0], coarser.planes, planes)
    return State(planes, np.full(shape, UNSEEN, np.float32), np.zeros(shape, np.uint8))


def _calibration(view: DenseView, halvings: int) -> MatrixArray:
    """(3, 3), for indices of pixels. Halving keeps the corner of the first pixel where it is."""
    scale = 0.5**halvings
    column, row = ((at + 0.5) * scale - 0.5 for at in view.principal)
    return np.array([[view.focal[0] * scale, 0, column], [0, view.focal[1] * scale, row], [0, 0, 1]])


def projection(view: DenseView, other: DenseView, halvings: int) -> FloatArray:
    """(3, 4), float32: takes (column, row, 1, inverse depth) of a view to a homogeneous pixel of another."""
    rotation = other.rotation @ view.rotation.T
    translation = other.translation - rotation @ view.translation
    calibration = _calibration(other, halvings)
    at_infinity = calibration @ rotation @ np.linalg.inv(_calibration(view, halvings))
    return np.column_stack([at_infinity, calibration @ translation]).astype(np.float32)
