"""The rendered dense workspaces: true depths, and a sparse model that agrees with them."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest

from tests.unit.tools.test_scene import ball, camera
from tools.scene.raycast import measure
from tools.scene.survey import site, strips
from tools.scene.workspace import shoot, write_workspace


def test_depths_are_along_the_optical_axis_to_the_nearest_surface() -> None:
    view = camera(centre=(5.0, 0.0, 0.0))
    depths, _ = measure(ball((0.0, 0.0, 0.0), 0.5), view)
    assert depths.max() < 5
    assert depths[depths > 0].min() == pytest.approx(4.5, abs=1e-4)
    column, row = view.project(np.array([[0.0, 0.3, 0.4]]))[0].astype(int)
    assert depths[row, column] == pytest.approx(5, abs=0.2)
    assert depths[0, 0] == 0, "the sky"


def test_the_sparse_points_lie_on_the_surface_where_the_photos_show_them(tmp_path: Path) -> None:
    shots = shoot(site(), strips(photos=4, width=120))
    write_workspace(tmp_path, shots)
    model = pycolmap.Reconstruction(tmp_path / "sparse")
    model.update_point_3d_errors()
    assert model.num_reg_images() == 4
    assert model.num_points3D() > 200
    assert model.compute_mean_reprojection_error() < 1e-6
    by_name = {shot.camera.name: shot for shot in shots}
    for image in model.images.values():
        shot = by_name[image.name]
        assert (tmp_path / "images" / image.name).exists()
        for point in image.points2D:
            ahead = (image.cam_from_world() * model.points3D[point.point3D_id].xyz)[2]
            column, row = point.xy.astype(int)
            assert shot.depths[row, column] == pytest.approx(ahead, rel=0.003)
    assert (tmp_path / "stereo" / "fusion.cfg").read_text().split() == [shot.camera.name for shot in shots]
