"""A COLMAP dense workspace of a rendered scene, as undistorting its photos would leave it, with the exact depths.

Poses and points of the sparse model are true, so that what is measured is the dense matching alone.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pycolmap
from numpy.typing import NDArray

from tools.scene.camera import Camera, FloatArray
from tools.scene.photos import develop
from tools.scene.raycast import Solids, cast, measure

_POINTS_A_PHOTO: Final = 300
_SAME: Final = 0.003
"""Relative difference in depth up to which a point is seen by a camera, and not hidden."""
_EXPOSURE: Final = 0.1
"""Share by which photos are brighter or darker than one another."""
_BORDER: Final = 2


@dataclass(frozen=True)
class Shot:
    """A photo and the truth about it."""

    camera: Camera
    photo: NDArray[np.uint8]
    """(height, width, 3)"""
    depths: FloatArray
    """(height, width): exact, along the optical axis, at the pixels' centres; 0 for the sky."""


def shoot(solids: Solids, cameras: Sequence[Camera], *, seed: int = 0) -> list[Shot]:
    """Render what the cameras see, each with an exposure and noise of its own."""
    exposures = 1 + np.random.default_rng(seed).uniform(-_EXPOSURE, _EXPOSURE, len(cameras))

    def render(index: int) -> Shot:
        camera = cameras[index]
        photo = develop(cast(solids, camera) * exposures[index], seed=seed + index)
        return Shot(camera, photo, measure(solids, camera)[0])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(render, range(len(cameras))))


def write_workspace(folder: Path, shots: Sequence[Shot], *, seed: int = 0, points: int = _POINTS_A_PHOTO) -> None:
    """Write images/, sparse/ and stereo/, the model's points being on so many random pixels of every photo."""
    for shot in shots:
        file = folder / "images" / shot.camera.name
        file.parent.mkdir(parents=True, exist_ok=True)
        pycolmap.Bitmap.from_array(shot.photo).write(file)
    (folder / "sparse").mkdir()
    _model(shots, np.random.default_rng(seed), points).write(folder / "sparse")
    for kind in ("depth_maps", "normal_maps"):
        (folder / "stereo" / kind).mkdir(parents=True)
    names = "".join(f"{shot.camera.name}\n" for shot in shots)
    (folder / "stereo" / "fusion.cfg").write_text(names, encoding="utf-8")


def _model(shots: Sequence[Shot], random: np.random.Generator, points: int) -> pycolmap.Reconstruction:
    """Points with tracks over all photos that see them."""
    places = np.concatenate([_surface(shot, random, points) for shot in shots])
    seen = [_seen(shot, places) for shot in shots]
    tracked = np.sum([visible for visible, _ in seen], axis=0) >= 2
    model = pycolmap.Reconstruction()
    tracks: list[list[tuple[int, int]]] = [[] for _ in places]
    for number, (shot, (visible, pixels)) in enumerate(zip(shots, seen, strict=True), start=1):
        camera = shot.camera
        shown = np.flatnonzero(visible & tracked)
        model.add_camera_with_trivial_rig(
            pycolmap.Camera(
                camera_id=number,
                model="PINHOLE",
                width=camera.width,
                height=camera.height,
                params=[camera.focal, camera.focal, *camera.principal_point],
            )
        )
        image = pycolmap.Image(name=camera.name, image_id=number, camera_id=number, keypoints=pixels[shown])
        rotation = np.array(camera.rotation).T
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(rotation), -rotation @ np.array(camera.centre))
        model.add_image_with_trivial_frame(image, pose)
        for index, point in enumerate(shown):
            tracks[point].append((number, index))
    for place, track in zip(places, tracks, strict=True):
        if track:
            elements = [pycolmap.TrackElement(image, point) for image, point in track]
            model.add_point3D(place, pycolmap.Track(elements))
    return model


def _surface(shot: Shot, random: np.random.Generator, points: int) -> FloatArray:
    """(N, 3): points of the world behind random pixels."""
    camera = shot.camera
    columns = random.integers(_BORDER, camera.width - _BORDER, points)
    rows = random.integers(_BORDER, camera.height - _BORDER, points)
    depth = shot.depths[rows, columns]
    pixels = np.column_stack([columns + 0.5, rows + 0.5])[depth > 0]
    rays = np.column_stack([(pixels - np.array(camera.principal_point)) / camera.focal, np.ones(len(pixels))])
    places: FloatArray = (rays * depth[depth > 0, None]) @ np.array(camera.rotation).T + np.array(camera.centre)
    return places


def _seen(shot: Shot, places: FloatArray) -> tuple[NDArray[np.bool_], FloatArray]:
    """Which of N points a camera sees, and where: (N,) and (N, 2)."""
    camera = shot.camera
    local = (places - np.array(camera.centre)) @ np.array(camera.rotation)
    ahead = np.maximum(local[:, 2], 1e-9)
    pixels = camera.focal * local[:, :2] / ahead[:, None] + np.array(camera.principal_point)
    at = np.clip(pixels, 0, [camera.width - 1, camera.height - 1]).astype(int)
    inside = (pixels >= _BORDER).all(axis=1) & (pixels < [camera.width - _BORDER, camera.height - _BORDER]).all(axis=1)
    agrees = np.abs(shot.depths[at[:, 1], at[:, 0]] - ahead) < _SAME * ahead
    return inside & agrees & (local[:, 2] > 0), pixels
