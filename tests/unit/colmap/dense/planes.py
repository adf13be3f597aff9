"""Dense workspaces of one textured plane: the least scene, whose exact depths and normals a formula gives."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from pointcloud_colmap.dense.maps import MapFiles, read_map
from pointcloud_colmap.dense.patch_match import Estimation, estimate_maps
from pointcloud_colmap.dense.recipe import Recipe
from pointcloud_colmap.dense.views import read_views
from pointcloud_colmap.depth_maps import Pass
from tools.scene.camera import Camera, FloatArray, look_at
from tools.scene.workspace import Shot, write_workspace

CELL = 0.03
"""Distance of the texture's dots in metres: a few pixels."""
QUICK = Recipe(iterations=(3, 2, 1), refinements=(3, 2, 2), coarsest=64)


def cameras(
    count: int = 4, *, width: int = 128, height: int = 96, aside: float = 0.0, distance: float = 3.0
) -> list[Camera]:
    """A row of cameras that look at the origin, `aside` metres from straight above, 8 degrees from one another."""
    made = []
    for index in range(count):
        centre = np.array([0.42 * (index - (count - 1) / 2), -aside, distance])
        rotation = look_at(centre=centre, target=np.array([0.0, 1e-3, 0.0]))
        made.append(
            Camera(
                name=f"row/{index}.png",
                width=width,
                height=height,
                focal=1.2 * width,
                principal_point=(width / 2 + 1.5, height / 2 - 1.0),
                rotation=tuple(map(tuple, rotation.tolist())),
                centre=tuple(centre.tolist()),
            )
        )
    return made


def dots(x: FloatArray, y: FloatArray) -> FloatArray:
    """Grey levels of the plane z = 0: random ones, interpolated smoothly, the same wherever they are looked at from."""
    levels = np.random.default_rng(1).uniform(40, 215, (512, 512))
    places = np.stack([y / CELL + 256, x / CELL + 256])
    sampled: FloatArray = ndimage.map_coordinates(levels, places, order=3, mode="wrap")
    return sampled


def shots(
    of: Sequence[Camera], *, texture: Callable[[FloatArray, FloatArray], FloatArray] = dots, noise: float = 1.0
) -> list[Shot]:
    """What the cameras see of the plane z = 0."""
    random = np.random.default_rng(2)
    made = []
    for camera in of:
        rows, columns = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
        rays = np.stack(
            [
                (columns - camera.principal_point[0]) / camera.focal,
                (rows - camera.principal_point[1]) / camera.focal,
                np.ones_like(rows),
            ],
            axis=-1,
        )
        ahead = rays @ np.array(camera.rotation).T
        depths = -camera.centre[2] / ahead[..., 2]
        grey = texture(camera.centre[0] + depths * ahead[..., 0], camera.centre[1] + depths * ahead[..., 1])
        photo = np.clip(np.round(grey + random.normal(0, noise, grey.shape)), 0, 255).astype(np.uint8)
        made.append(Shot(camera, np.repeat(photo[..., None], 3, axis=2), depths))
    return made


def estimate(workspace: Path, *, recipe: Recipe = QUICK, threads: int = 2, **options: Any) -> Estimation:
    """Run both passes."""
    usual = {"memory": 1 << 28, "tell": lambda _done, _total: None}
    views = read_views(workspace, sources=recipe.sources)
    return estimate_maps(workspace, views, recipe=recipe, threads=threads, **{**usual, **options})


def workspace_of(folder: Path, made: Sequence[Shot]) -> Path:
    write_workspace(folder, made)
    return folder


def depth(workspace: Path, shot: Shot, which: Pass = Pass.GEOMETRIC) -> Any:
    return read_map(MapFiles.of(workspace, shot.camera.name, which).depth)[0]


def normal(workspace: Path, shot: Shot) -> Any:
    """(3, H, W)"""
    return read_map(MapFiles.of(workspace, shot.camera.name, Pass.GEOMETRIC).normal)


def footprints(found: Any, shot: Shot) -> Any:
    """Errors in depth where one is found, in sizes of a pixel there: (N,)."""
    known = found > 0
    return (np.abs(found - shot.depths) / shot.depths * shot.camera.focal)[known]
