"""A site with edges, slopes, weak and repeated texture against the truth, from photos to COLMAP's fused points."""

from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest

from pointcloud_api.resource import Quality
from pointcloud_colmap.dense.fusion import AGREEING, fusion_workspace
from pointcloud_colmap.dense.recipe import Recipe
from pointcloud_colmap.dense_presets import DENSE_PRESETS
from tests.unit.colmap.dense.planes import depth, estimate, footprints
from tools.scene.depths import assess
from tools.scene.survey import site, strips
from tools.scene.workspace import Shot, shoot, write_workspace


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Shot]]:
    """Nine photos of the site with all their maps."""
    workspace = tmp_path_factory.mktemp("survey")
    shots = shoot(site(), strips(photos=9, width=240))
    write_workspace(workspace, shots)
    estimate(workspace, recipe=Recipe(coarsest=100))
    return workspace, shots


def fused(workspace: Path, output: Path) -> Any:
    options = DENSE_PRESETS[Quality.LOW].fusion(views=9, video=False, agreeing=AGREEING)
    return pycolmap.stereo_fusion(
        output, fusion_workspace(workspace), input_type="geometric", output_type="PLY", options=options
    )


def test_most_of_what_could_be_agreed_on_is_and_is_right(survey: Any) -> None:
    workspace, shots = survey
    accuracy = assess({shot.camera.name: depth(workspace, shot) for shot in shots}, shots)
    assert accuracy.complete > 0.8 * accuracy.ceiling
    assert accuracy.median_error < 0.2
    assert accuracy.outliers < 0.035, "those at edges, half a window wide, which is much of so small a photo"


def test_exact_depths_reach_the_ceiling_and_wrong_ones_nothing(survey: Any) -> None:
    """What the figures above are worth."""
    _, shots = survey
    exact = assess({shot.camera.name: shot.depths for shot in shots}, shots)
    assert (exact.complete, exact.median_error, exact.outliers) == (exact.ceiling, 0, 0)
    random = np.random.default_rng(0)
    guesses = {shot.camera.name: random.uniform(5, 10, shot.depths.shape) for shot in shots}
    assert assess(guesses, shots).complete < 0.1


def test_colmap_fuses_the_maps_into_the_surface_the_same_each_time(survey: Any, tmp_path: Path) -> None:
    workspace, shots = survey
    cloud = fused(workspace, tmp_path / "one.ply")
    fused(workspace, tmp_path / "two.ply")
    assert (tmp_path / "one.ply").read_bytes() == (tmp_path / "two.ply").read_bytes()
    points = np.array([point.xyz for point in cloud.points3D.values()])
    assert len(points) > 0.3 * shots[0].depths.size
    off = np.min([_off(shot, points) for shot in shots], axis=0)
    assert np.median(off) < 0.3
    assert np.mean(off > 10) < 0.01


def _off(shot: Shot, points: Any) -> Any:
    """How far points are from the surface that a camera sees there, in footprints; infinite outside the photo."""
    camera = shot.camera
    local = (points - np.array(camera.centre)) @ np.array(camera.rotation)
    at = camera.focal * local[:, :2] / local[:, 2:] + np.array(camera.principal_point)
    inside = (local[:, 2] > 0) & (at >= 0).all(axis=1) & (at < [camera.width, camera.height]).all(axis=1)
    columns, rows = np.where(inside[:, None], at, 0).astype(int).T
    away = np.abs(local[:, 2] - shot.depths[rows, columns]) / local[:, 2] * camera.focal
    return np.where(inside, away, np.inf)


def test_few_depths_are_wrong_before_other_views_have_their_say(survey: Any) -> None:
    workspace, shots = survey
    errors = np.concatenate([footprints(depth(workspace, shot), shot) for shot in shots])
    assert np.mean(errors > 0.02 * shots[0].camera.focal) < 0.05
