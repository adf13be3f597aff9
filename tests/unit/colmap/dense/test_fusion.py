"""COLMAP's fusion, given exact maps, gives the exact surface."""

from pathlib import Path

import numpy as np
import pycolmap

from pointcloud_api.resource import Quality
from pointcloud_colmap.dense.fusion import AGREEING, fusion_workspace
from pointcloud_colmap.dense.maps import MapFiles
from pointcloud_colmap.dense_presets import DENSE_PRESETS
from pointcloud_colmap.depth_maps import Pass
from tests.unit.colmap.dense.planes import cameras, shots, workspace_of


def test_exact_depths_become_points_on_the_surface_and_not_half_a_pixel_off(tmp_path: Path) -> None:
    """Seen aslant, where a shift within the image is one off the surface."""
    made = shots(cameras(aside=4.0, distance=2.2))
    workspace = workspace_of(tmp_path / "workspace", made)
    for shot in made:
        up = np.array(shot.camera.rotation).T @ [0.0, 0.0, 1.0]
        normals = np.ascontiguousarray(np.broadcast_to(up[:, None, None], (3, *shot.depths.shape)), np.float32)
        maps = MapFiles.of(workspace, shot.camera.name, Pass.GEOMETRIC)
        maps.write(shot.depths.astype(np.float32), normals)
    cloud = pycolmap.stereo_fusion(
        tmp_path / "cloud.ply",
        fusion_workspace(workspace),
        input_type="geometric",
        output_type="PLY",
        options=DENSE_PRESETS[Quality.LOW].fusion(views=len(made), video=False, agreeing=AGREEING),
    )
    points = np.array([point.xyz for point in cloud.points3D.values()])
    assert len(points) > 0.4 * made[0].depths.size
    np.testing.assert_allclose(points[:, 2], 0, atol=1e-5)


def test_making_the_workspace_again_moves_the_cameras_no_further(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, shots(cameras()))
    for _ in range(2):
        folder = fusion_workspace(workspace)
        before, after = (pycolmap.Reconstruction(place / "sparse").camera(1).params for place in (workspace, folder))
        np.testing.assert_allclose(before - after, [0, 0, 0.5, 0.5])
