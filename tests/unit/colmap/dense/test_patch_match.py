"""Depth maps of a textured plane against the truth, and what must not change them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest

from pointcloud_colmap.dense.maps import MapFiles, read_map
from pointcloud_colmap.dense.patch_match import Estimation
from pointcloud_colmap.depth_maps import Pass
from tests.unit.colmap.dense.planes import (
    cameras,
    depth,
    estimate,
    footprints,
    normal,
    shots,
    workspace_of,
)
from tools.scene.workspace import Shot

NAMES = tuple(f"row/{index}.png" for index in range(4))


def files(workspace: Path) -> dict[str, bytes]:
    return {
        file.relative_to(workspace).as_posix(): file.read_bytes()
        for file in sorted((workspace / "stereo").rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Shot], Estimation]:
    """A plane seen from above, with all its maps."""
    made = shots(cameras())
    workspace = workspace_of(tmp_path_factory.mktemp("plane"), made)
    return workspace, made, estimate(workspace)


def test_depths_are_exact_to_a_fraction_of_a_pixel_and_nearly_everywhere(plane: Any) -> None:
    workspace, made, estimation = plane
    assert estimation == Estimation(estimated=NAMES, skipped=())
    for shot in made[1:3]:  # the outer ones have views on one side alone
        found = depth(workspace, shot)
        errors = footprints(found, shot)
        assert (found[8:-8, 8:-8] > 0).mean() > 0.9
        assert np.median(errors) < 0.3
        assert np.quantile(errors, 0.95) < 1.5


def test_comparing_depths_as_well_makes_them_better(plane: Any) -> None:
    workspace, made, _ = plane
    before, after = (
        np.mean([np.median(footprints(depth(workspace, shot, which), shot)) for shot in made]) for which in Pass
    )
    assert after < before


def test_normals_are_of_unit_length_and_towards_the_camera_in_its_frame(plane: Any) -> None:
    workspace, made, _ = plane
    for shot in made:
        found, known = normal(workspace, shot), depth(workspace, shot) > 0
        np.testing.assert_allclose(np.linalg.norm(found, axis=0)[known], 1, atol=1e-5)
        up = np.array(shot.camera.rotation).T @ [0.0, 0.0, 1.0]
        angles = np.degrees(np.arccos(np.clip(np.tensordot(up, found, axes=1)[known], -1, 1)))
        assert np.median(angles) < 6
        assert not found[:, ~known].any()


def test_colmap_reads_the_maps(plane: Any) -> None:
    workspace, made, _ = plane
    maps = MapFiles.of(workspace, made[0].camera.name, Pass.GEOMETRIC)
    theirs, normals = pycolmap.DepthMap(), pycolmap.NormalMap()
    theirs.read(maps.depth)
    normals.read(maps.normal)
    np.testing.assert_array_equal(theirs.to_array(), read_map(maps.depth)[0])
    ours = read_map(maps.normal)
    # In the file one plane follows another, as COLMAP's fusion reads them; to_array says otherwise of the same numbers.
    np.testing.assert_array_equal(normals.to_array().reshape(ours.shape), ours)


def test_the_number_of_threads_does_not_change_a_byte(plane: Any, tmp_path: Path) -> None:
    workspace, made, _ = plane
    alone = workspace_of(tmp_path, made)
    estimate(alone, threads=1, memory=0)
    assert files(alone) == files(workspace)


def test_what_is_there_is_left_alone_and_what_is_missing_is_made_again_the_same(plane: Any, tmp_path: Path) -> None:
    finished, _, _ = plane
    workspace = tmp_path / "workspace"
    shutil.copytree(finished, workspace)
    before = files(workspace)
    removed = [
        MapFiles.of(workspace, NAMES[1], Pass.PHOTOMETRIC).depth,
        MapFiles.of(workspace, NAMES[2], Pass.GEOMETRIC).normal,
    ]
    for file in removed:
        file.unlink()
    halves = (MapFiles.of(workspace, NAMES[1], Pass.PHOTOMETRIC), MapFiles.of(workspace, NAMES[2], Pass.GEOMETRIC))
    again = {file for maps in halves for file in (maps.depth, maps.normal)}
    times = {file: file.stat().st_mtime_ns for file in workspace.rglob("*.bin") if file not in again}
    told: list[tuple[int, int]] = []

    estimate(workspace, tell=lambda done, total: told.append((done, total)))

    assert files(workspace) == before
    assert {file: file.stat().st_mtime_ns for file in times} == times
    assert told[0] == (0, 8)
    assert {done for done, _ in told} == set(range(9))


def test_a_plane_seen_aslant_is_found_with_its_slope(tmp_path: Path) -> None:
    made = shots(cameras(aside=4.0, distance=2.2))  # 61 degrees from straight above
    workspace = workspace_of(tmp_path, made)
    estimate(workspace)
    shot = made[1]
    found = depth(workspace, shot)
    assert (found[16:-16, 16:-16] > 0).mean() > 0.85
    assert np.median(footprints(found, shot)) < 0.6
    up = np.array(shot.camera.rotation).T @ [0.0, 0.0, 1.0]
    angles = np.degrees(np.arccos(np.clip(np.tensordot(up, normal(workspace, shot), axes=1)[found > 0], -1, 1)))
    assert np.median(angles) < 8


def test_photos_of_different_sizes_are_compared_as_they_are(tmp_path: Path) -> None:
    large, small = cameras(width=160, height=120), cameras(width=112, height=96)
    made = shots([large[0], small[1], large[2], small[3]])
    workspace = workspace_of(tmp_path, made)
    estimate(workspace)
    for shot in made:
        found = depth(workspace, shot)
        assert found.shape == shot.depths.shape
        assert (found > 0).mean() > 0.5
        assert np.median(footprints(found, shot)) < 0.5


def test_what_a_mask_hides_has_no_depth(tmp_path: Path) -> None:
    made = shots(cameras())
    workspace = workspace_of(tmp_path, made)
    mask = np.full((made[1].camera.height, made[1].camera.width), 255, np.uint8)
    mask[:, :40] = 0
    (workspace / "masks" / "row").mkdir(parents=True)
    pycolmap.Bitmap.from_array(mask).write(workspace / "masks" / f"{NAMES[1]}.png")
    estimate(workspace)
    found = depth(workspace, made[1])
    assert not found[:, :40].any()
    assert (found[8:-8, 44:-8] > 0).mean() > 0.8
    assert np.median(footprints(found, made[1])) < 0.3
    assert (depth(workspace, made[2])[8:-8, 8:-8] > 0).mean() > 0.9, "a mask is of its own view"


def test_a_view_that_too_few_others_share_has_no_maps(tmp_path: Path) -> None:
    lonely = cameras(1, aside=-40.0)[0].model_copy(update={"name": "far.png"})
    made = shots([*cameras(), lonely])
    workspace = workspace_of(tmp_path, made)
    assert estimate(workspace) == Estimation(estimated=NAMES, skipped=("far.png",))
    assert not MapFiles.of(workspace, "far.png", Pass.PHOTOMETRIC).depth.exists()


def test_photos_without_any_texture_have_no_depths(tmp_path: Path) -> None:
    made = shots(cameras(), texture=lambda x, _y: np.full(x.shape, 128.0), noise=0.0)
    workspace = workspace_of(tmp_path, made)
    estimate(workspace)
    for shot in made:
        assert not depth(workspace, shot).any()


def test_an_image_of_another_size_than_its_camera_is_refused_with_both(tmp_path: Path) -> None:
    made = shots(cameras())
    workspace = workspace_of(tmp_path, made)
    pycolmap.Bitmap.from_array(np.zeros((10, 20, 3), np.uint8)).write(workspace / "images" / NAMES[0])
    with pytest.raises(ValueError, match="20x10 pixels where its camera has 128x96"):
        estimate(workspace)
