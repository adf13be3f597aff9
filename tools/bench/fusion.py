"""What memory and time COLMAP's fusion takes for each pixel of true depth maps: `python -m tools.bench.fusion`.

A process of its own each: with all maps in memory, with fewer pixels to agree and so more points, and with a cache.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import pycolmap

from pointcloud_colmap.depth_maps import Kind, MapFile, Pass
from tools.scene.camera import Camera
from tools.scene.maps import write_map
from tools.scene.photos import write
from tools.scene.raycast import measure
from tools.scene.ruin import ruin

_ORBIT: Final = 24
_VIEWS: Final = 12
_POINTS: Final = 500
_CASES: Final = ((5, 0.0), (2, 0.0), (5, 1.0))
"""Pixels that are to agree, and the cache as a part of all maps; 0 is no cache."""


def lay_out(workspace: Path, *, width: int) -> None:
    """Make a workspace as fusion takes it: neighbouring photos, their cameras and true maps."""
    cameras = write(workspace, photos=_ORBIT, width=width).cameras[:_VIEWS]
    (workspace / "photos").rename(workspace / "images")
    (workspace / "sparse").mkdir()
    model = pycolmap.Reconstruction()
    for number, camera in enumerate(cameras, start=1):
        _enter(model, number, camera)
        for kind, array in zip(Kind, measure(ruin(), camera), strict=True):
            local = array if kind is Kind.DEPTH else array @ np.array(camera.rotation)
            write_map(MapFile(camera.name, Pass.GEOMETRIC, kind).below(workspace), local)
    # Views overlap by the points that they share, wherever these are.
    for place in range(_POINTS):
        track = pycolmap.Track([pycolmap.TrackElement(number, place) for number in range(1, _VIEWS + 1)])
        model.add_point3D(np.array([0.0, 0.0, place / _POINTS]), track, np.zeros(3, np.uint8))
    model.write(workspace / "sparse")
    listed = "".join(f"{camera.name}\n" for camera in cameras)
    (workspace / "stereo" / "fusion.cfg").write_text(listed, encoding="utf-8")


def _enter(model: pycolmap.Reconstruction, number: int, camera: Camera) -> None:
    params = [camera.focal, camera.focal, *camera.principal_point]
    model.add_camera_with_trivial_rig(
        pycolmap.Camera(model="PINHOLE", width=camera.width, height=camera.height, params=params, camera_id=number)
    )
    rotation = np.array(camera.rotation).T
    points = pycolmap.Point2DList([pycolmap.Point2D(np.ones(2)) for _ in range(_POINTS)])
    image = pycolmap.Image(name=camera.name, camera_id=number, image_id=number, points2D=points)
    pose = pycolmap.Rigid3d(pycolmap.Rotation3d(rotation), -rotation @ np.array(camera.centre))
    model.add_image_with_trivial_frame(image, pose)


def fuse(workspace: Path, *, agreeing: int, cache: float, width: int) -> str:
    """Fuse in this process, and say in a line what that took."""
    before, begun = _peak(), time.process_time()
    pixels = _VIEWS * width * (width * 3 // 4)
    options = pycolmap.StereoFusionOptions(min_num_pixels=agreeing, use_cache=cache > 0)
    if cache:
        options.cache_size = cache * 19 * pixels / 1e9
    fused = pycolmap.stereo_fusion(
        workspace / "fused.ply", workspace, input_type="geometric", options=options, output_type="PLY"
    )
    points, took = fused.num_points3D(), time.process_time() - begun
    grown = (_peak() - before) / pixels
    return (
        f"{agreeing} pixels agree, cache {cache:g}: {points / pixels:.3f} points and {grown:.1f} bytes a pixel, "
        f"{took:.0f} processor seconds"
    )


def _peak() -> int:
    """Bytes of memory that this process has had at most."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Parse the command line, and print a line a case."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.fusion", description=__doc__)
    parser.add_argument("--width", type=int, default=1600, help="of the photos, in pixels")
    parser.add_argument("--case", nargs=3, metavar=("WORKSPACE", "AGREEING", "CACHE"), help="run one in this process")
    arguments = parser.parse_args()
    if arguments.case:
        workspace, agreeing, cache = arguments.case
        print(fuse(Path(workspace), agreeing=int(agreeing), cache=float(cache), width=arguments.width))
        return
    with TemporaryDirectory() as folder:
        lay_out(Path(folder), width=arguments.width)
        for agreeing, cache in _CASES:
            case = ["--case", folder, str(agreeing), str(cache), "--width", str(arguments.width)]
            subprocess.run([sys.executable, "-m", "tools.bench.fusion", *case], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
