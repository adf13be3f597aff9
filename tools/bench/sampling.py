"""Draws what a viewer shows of a surface when it has loaded some levels of the octree, sampled in both ways.

    python -m tools.bench.sampling [FILE] [--points 10000000] [--level 3]

By default the picture of docs/architecture.md: a square of 6 m of the surface of `tools.bench.potree`, seen from above,
where four nodes of the level meet in the middle. On the left Poisson disk, on the right one point at random in each
cell. Prints how many points each has there.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pointcloud_api.resource import Encoding
from pointcloud_potree.inputs import ArrayPoints
from pointcloud_potree.octree import write_octree
from pointcloud_potree.reader import Octree
from pointcloud_potree.sampling import Sampling
from tools.bench.potree import surface

_LOW: Final = 47.0
_SIDE: Final = 6.0
"""Of the square, in metres on both axes."""
_PIXELS: Final = 480
_GAP: Final = 16
_FINER: Final = 4
"""As many times finer it is drawn than it is kept, for smooth discs."""
_RADIUS: Final = 0.25
"""Of a disc, in spacings of the level."""

Positions = npt.NDArray[np.float64]


def shown(octree: Octree, level: int) -> Positions:
    """The points of all nodes down to a level: (N, 3)."""
    with (octree.folder / "octree.bin").open("rb") as file:
        nodes = [node for node in octree.nodes() if node.level <= level and node.num_points]
        return np.concatenate([octree.positions(octree.read(node, file).quanta) for node in nodes])


def draw(points: Positions, radius: float) -> Image.Image:
    """Discs in black on white: points (N, 2), radius and `_SIDE` in metres."""
    size, metre = _FINER * _PIXELS, _FINER * _PIXELS / _SIDE
    picture = Image.new("L", (size, size), 255)
    pen = ImageDraw.Draw(picture)
    for x, y in ((points - _LOW) * metre).tolist():
        pen.circle((x, size - y), radius * metre, fill=0)
    return picture.resize((_PIXELS, _PIXELS), Image.Resampling.BOX)


def main() -> None:
    """Convert in both ways, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", default=Path("docs/images/sampling.png"))
    parser.add_argument("--points", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--level", type=int, default=3)
    arguments = parser.parse_args()
    cloud = ArrayPoints(surface(np.random.default_rng(1), arguments.points)[0])
    both = Image.new("L", (2 * _PIXELS + _GAP, _PIXELS), 160)
    for number, sampling in enumerate(Sampling):
        with TemporaryDirectory() as folder:
            write_octree(cloud, Path(folder), encoding=Encoding.UNCOMPRESSED, sampling=sampling)
            octree = Octree(Path(folder))
            points = shown(octree, arguments.level)[:, :2]
        here = points[((points >= _LOW) & (points < _LOW + _SIDE)).all(axis=1)]
        spacing = octree.metadata.spacing / 2**arguments.level
        both.paste(draw(here, _RADIUS * spacing), (number * (_PIXELS + _GAP), 0))
        print(f"{sampling}: {len(here)} points, {len(here) / _SIDE**2 * spacing**2:.2f} in a square of the spacing")
    both.quantize(16).save(arguments.file, optimize=True)


if __name__ == "__main__":
    main()
