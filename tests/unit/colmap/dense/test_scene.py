"""A site with edges, slopes, weak and repeated texture against the truth, from photos to points."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointcloud_colmap.dense.fusion import fuse_maps
from pointcloud_colmap.dense.recipe import Recipe
from pointcloud_colmap.dense_cloud import DenseCloud
from pointcloud_colmap.depth_maps import Pass
from tests.unit.colmap.dense.planes import depth, estimate, footprints
from tools.scene.depths import assess
from tools.scene.paths import orbit
from tools.scene.ruin import ruin
from tools.scene.surface import distances
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


def test_most_of_what_could_be_agreed_on_is_and_is_right(survey: Any) -> None:
    workspace, shots = survey
    accuracy = assess({shot.camera.name: depth(workspace, shot) for shot in shots}, shots)
    assert accuracy.complete > 0.93 * accuracy.ceiling
    assert accuracy.median_error < 0.2
    assert accuracy.outliers < 0.022, "those at edges, which are much of so small a photo"


def test_exact_depths_reach_the_ceiling_and_wrong_ones_nothing(survey: Any) -> None:
    """What the figures above are worth."""
    _, shots = survey
    exact = assess({shot.camera.name: shot.depths for shot in shots}, shots)
    assert (exact.complete, exact.median_error, exact.outliers, exact.fringes) == (exact.ceiling, 0, 0, 0)
    random = np.random.default_rng(0)
    guesses = {shot.camera.name: random.uniform(5, 10, shot.depths.shape) for shot in shots}
    assert assess(guesses, shots).complete < 0.1


def test_the_points_lie_on_the_surface(survey: Any, tmp_path: Path) -> None:
    workspace, shots = survey
    count = fuse_maps(
        workspace,
        [shot.camera.name for shot in shots],
        made_in=Pass.GEOMETRIC,
        pixel_centre=0.5,
        scratch=tmp_path / "packed",
        output=tmp_path / "points",
        threads=2,
        tell=lambda _done, _total: None,
    )
    assert count > 0.5 * shots[0].depths.size
    camera = shots[0].camera
    off = distances(DenseCloud.mapped(tmp_path / "points").positions[:], site()) * camera.focal / camera.centre[2]
    assert np.median(off) < 0.2, "footprints"
    assert np.mean(off > 6) < 0.02


def test_few_depths_are_wrong_before_other_views_have_their_say(survey: Any) -> None:
    workspace, shots = survey
    errors = np.concatenate([footprints(depth(workspace, shot), shot) for shot in shots])
    assert np.mean(errors > 0.02 * shots[0].camera.focal) < 0.04


def test_what_stands_before_the_sky_has_no_fringe(tmp_path: Path) -> None:
    shots = shoot(ruin(), orbit(photos=18, width=200))
    write_workspace(tmp_path, shots)
    estimate(tmp_path, recipe=Recipe(coarsest=100))
    accuracy = assess({shot.camera.name: depth(tmp_path, shot) for shot in shots}, shots)
    assert accuracy.complete > 0.2
    assert accuracy.fringes < 0.01
