"""Exact maps give the exact surface, each piece of it once, and the same whatever the threads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointcloud_colmap.dense.fusion import fuse_maps
from pointcloud_colmap.dense.maps import MapFiles
from pointcloud_colmap.dense_cloud import VERTEX
from pointcloud_colmap.depth_maps import Pass
from tests.unit.colmap.dense.planes import CELL, cameras, shots, workspace_of
from tools.scene.camera import Camera, FloatArray
from tools.scene.workspace import Shot


def steep() -> list[Camera]:
    """Cameras that see the plane aslant, where a shift within the image is one off the surface."""
    return cameras(aside=4.0, distance=2.2)


def write_maps(workspace: Path, shot: Shot, *, off: float = 1.0) -> None:
    """The truth of the plane z = 0, with depths wrong by a factor."""
    up = np.array(shot.camera.rotation).T @ [0.0, 0.0, 1.0]
    normals = np.ascontiguousarray(np.broadcast_to(up[:, None, None], (3, *shot.depths.shape)), np.float32)
    maps = MapFiles.of(workspace, shot.camera.name, Pass.GEOMETRIC)
    maps.write((off * shot.depths).astype(np.float32), normals)


def waves(x: FloatArray, y: FloatArray) -> FloatArray:
    """Grey levels of which a pixel has about one."""
    grey: FloatArray = 128 + 80 * np.sin(3 * x) * np.cos(2 * y)
    return grey


def exact(folder: Path, of: Sequence[Camera], *, but: Sequence[int] = ()) -> tuple[Path, list[Shot]]:
    """A workspace with all maps, but for those views."""
    made = shots(of, texture=waves)
    workspace = workspace_of(folder / "workspace", made)
    for index, shot in enumerate(made):
        if index not in but:
            write_maps(workspace, shot)
    return workspace, made


def fused(workspace: Path, shots: Sequence[Shot], *, threads: int = 2, **changed: Any) -> Any:
    """The points, rows of VERTEX."""
    output = workspace.with_name(f"points-{threads}")
    count = fuse_maps(
        workspace,
        [shot.camera.name for shot in shots],
        scratch=workspace.with_name(f"scratch-{threads}"),
        output=output,
        threads=threads,
        **{"made_in": Pass.GEOMETRIC, "pixel_centre": 0.5, "tell": lambda _done, _total: None, **changed},
    )
    points = np.fromfile(output, VERTEX)
    assert len(points) == count
    return points


def places(points: Any) -> Any:
    return np.column_stack([points[axis] for axis in "xyz"])


def seen(camera: Camera, points: Any) -> Any:
    """The pixel (column, row) that each point falls on: (N, 2)."""
    local = (places(points) - np.array(camera.centre)) @ np.array(camera.rotation)
    return np.floor(camera.focal * local[:, :2] / local[:, 2:] + np.array(camera.principal_point)).astype(int)


def inside(camera: Camera, at: Any) -> Any:
    return (at >= 0).all(axis=1) & (at < [camera.width, camera.height]).all(axis=1)


def test_points_lie_on_the_surface_with_its_normal_and_its_colour(tmp_path: Path) -> None:
    workspace, made = exact(tmp_path, steep())
    points = fused(workspace, made)
    np.testing.assert_allclose(points["z"], 0, atol=1e-5)
    normals = np.column_stack([points[f"n{axis}"] for axis in "xyz"])
    np.testing.assert_allclose(normals, np.broadcast_to([0, 0, 1], normals.shape), atol=1e-4)
    assert set(points["views"]) <= {3, 4}
    middle = made[1]
    at = seen(middle.camera, points)
    there = inside(middle.camera, at)
    column, row = at[there].T
    grey = middle.photo[row, column, 0].astype(int)
    for colour in ("red", "green", "blue"):
        assert np.median(np.abs(points[colour][there] - grey)) < 5
    assert np.std(points["red"]) > 20, "the texture is there"


def test_each_pixel_of_the_surface_gives_one_point(tmp_path: Path) -> None:
    workspace, made = exact(tmp_path, cameras())
    points = fused(workspace, made)
    for shot in made:
        at = seen(shot.camera, points)
        column, row = at[inside(shot.camera, at)].T
        count = np.zeros((shot.camera.height, shot.camera.width), int)
        np.add.at(count, (row, column), 1)
        common = count[:, shot.camera.width // 3 : -shot.camera.width // 3]
        assert (common > 0).mean() > 0.9
        assert common.mean() < 1.3


@pytest.mark.parametrize("pixel_centre", [0.5, 0.0])
def test_a_maps_value_is_of_where_its_engine_has_it(tmp_path: Path, pixel_centre: float) -> None:
    """The same maps, said to be of the pixels' corners, are off by the half pixel."""
    workspace, made = exact(tmp_path, steep())
    points = fused(workspace, made, pixel_centre=pixel_centre)
    off = np.median(np.abs(points["z"]))
    assert off < 1e-5 if pixel_centre == 0.5 else off > 1e-3


def test_the_points_are_the_same_bytes_whatever_the_threads(tmp_path: Path) -> None:
    workspace, made = exact(tmp_path, cameras(6))
    alone, many = (fused(workspace, made, threads=threads) for threads in (1, 3))
    assert alone.tobytes() == many.tobytes()
    again = fused(workspace, list(reversed(made)), threads=2)
    assert again.tobytes() == alone.tobytes(), "nor whatever the order that views are named in"


def test_no_point_is_made_of_masked_pixels(tmp_path: Path) -> None:
    workspace, made = exact(tmp_path, cameras())
    masked = made[1].camera
    black = np.full((masked.height, masked.width), 255, np.uint8)
    black[:, : masked.width // 2] = 0
    file = workspace / "masks" / f"{masked.name}.png"
    file.parent.mkdir(parents=True)
    before = fused(workspace, made, threads=1)
    Image.fromarray(black).save(file)
    points = fused(workspace, made)
    assert len(points) > 0.5 * len(before)
    for cloud, most in ((before, 4), (points, 3)):
        at = seen(masked, cloud)
        hidden = cloud[inside(masked, at) & (at[:, 0] < masked.width // 2 - 2)]
        assert hidden["views"].max() == most


def test_views_without_maps_have_no_say(tmp_path: Path) -> None:
    workspace, made = exact(tmp_path, cameras(5), but=[2])
    points = fused(workspace, [made[index] for index in (0, 1, 3, 4)])
    assert points["views"].max() == 4
    np.testing.assert_allclose(points["z"], 0, atol=1e-5)


@pytest.mark.parametrize("views", [0, 1, 2])
def test_no_point_is_made_where_fewer_than_three_views_have_maps(tmp_path: Path, views: int) -> None:
    workspace, made = exact(tmp_path, cameras(4))
    assert len(fused(workspace, made[:views])) == 0


def test_depths_that_the_others_contradict_make_no_points(tmp_path: Path) -> None:
    workspace, made = exact(tmp_path, cameras(4))
    write_maps(workspace, made[1], off=1.02)
    points = fused(workspace, made)
    assert points["views"].max() == 3
    np.testing.assert_allclose(points["z"], 0, atol=1e-5)
    write_maps(workspace, made[2], off=0.98)
    assert len(fused(workspace, made, threads=1)) == 0, "two are left, and they need a third"


def test_views_of_different_sizes_agree(tmp_path: Path) -> None:
    of = cameras(4)
    small = cameras(4, width=64, height=48)
    workspace, made = exact(tmp_path, [of[0], small[1], of[2], small[3]])
    points = fused(workspace, made)
    np.testing.assert_allclose(points["z"], 0, atol=1e-5)
    assert (points["views"] == 4).mean() > 0.5
    apart = np.abs(places(points)[:, None, :2] - places(points)[None, :200, :2]).max(axis=2)
    assert np.median(np.sort(apart, axis=0)[1]) < CELL, "at the larger photos' spacing"


def test_it_tells_of_each_view(tmp_path: Path) -> None:
    workspace, made = exact(tmp_path, cameras(4))
    told: list[tuple[int, int]] = []
    fused(workspace, made, tell=lambda done, total: told.append((done, total)))
    assert sorted(set(told)) == [(done, 4) for done in range(5)]


def test_a_map_of_another_size_than_its_photo_is_refused(tmp_path: Path) -> None:
    workspace, made = exact(tmp_path, cameras(4))
    small = shots(cameras(4, width=64, height=48))[2]
    write_maps(workspace, small)
    with pytest.raises(ValueError, match=r"row/2\.png\.geometric\.bin is not as large as its camera says"):
        fused(workspace, made)
