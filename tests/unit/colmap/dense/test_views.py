"""Which views a view is compared with, and what a workspace must be."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest

from pointcloud_colmap.dense.views import read_views
from tests.unit.colmap.dense.planes import cameras, shots, workspace_of
from tools.scene.camera import Camera


def named(camera: Camera, name: str) -> Camera:
    return camera.model_copy(update={"name": name})


def test_neighbours_are_those_at_useful_angles_and_no_more_than_wanted(tmp_path: Path) -> None:
    """Eight degrees lie between cameras of the row; the twin stands next to the first, and the last looks aslant."""
    row = cameras()
    twin = row[0].model_copy(update={"name": "twin.png", "centre": (row[0].centre[0] + 0.01, *row[0].centre[1:])})
    aslant = named(cameras(1, aside=6.0)[0], "aslant.png")
    workspace = workspace_of(tmp_path, shots([*row, twin, aslant]))
    views = read_views(workspace, sources=5)
    assert list(views) == ["aslant.png", "row/0.png", "row/1.png", "row/2.png", "row/3.png", "twin.png"]
    assert set(views["row/0.png"].neighbours) == {"row/1.png", "row/2.png", "row/3.png"}
    assert views["row/0.png"].neighbours[-1] == "row/3.png", "24 degrees are worth least"
    assert not views["aslant.png"].enough
    assert len(read_views(workspace, sources=2)["row/1.png"].neighbours) == 2


def test_a_view_knows_its_camera_and_the_depths_it_sees(tmp_path: Path) -> None:
    made = shots(cameras())
    view = read_views(workspace_of(tmp_path, made), sources=5)["row/1.png"]
    camera, depths = made[1].camera, made[1].depths
    np.testing.assert_allclose(view.centre, camera.centre, atol=1e-9)
    np.testing.assert_allclose(view.rotation.T, camera.rotation, atol=1e-9)
    assert view.focal == (camera.focal, camera.focal)
    assert view.principal == tuple(at - 0.5 for at in camera.principal_point)
    assert 0 < view.nearest < depths.min() < depths.max() < view.farthest


def test_a_camera_that_bends_lines_is_refused(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, shots(cameras(3)))
    model = pycolmap.Reconstruction(workspace / "sparse")
    model.camera(1).model, model.camera(1).params = pycolmap.CameraModelId.SIMPLE_RADIAL, [150.0, 64.0, 48.0, 0.1]
    model.write(workspace / "sparse")
    with pytest.raises(ValueError, match=r"row/0\.png has a SIMPLE_RADIAL camera; undistort"):
        read_views(workspace, sources=5)
