"""A reconstruction as arrays: its points, and which photo sees which of them where."""

from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np
import pycolmap
from numpy.typing import NDArray

from pointcloud_colmap.orientation import FloatArray

IndexArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Observations:
    """N points and M observations of them. Objects of COLMAP's would be a hundred times as slow to reckon with."""

    images: tuple[pycolmap.Image, ...]
    """The registered ones, by name."""
    cameras: tuple[pycolmap.Camera, ...]
    """One an image."""
    point_ids: IndexArray
    """(N,) COLMAP's."""
    positions: FloatArray
    """(N, 3) in the model's unit."""
    colours: NDArray[np.uint8]
    """(N, 3)."""
    point: IndexArray
    """(M,) row of the point."""
    image: IndexArray
    """(M,) place of the image."""
    pixels: FloatArray
    """(M, 2) where the image shows the point."""
    errors: FloatArray
    """(M,) pixels between there and where the model projects the point."""

    @classmethod
    def of(cls, reconstruction: pycolmap.Reconstruction) -> Self:
        """Read, which takes about two microseconds an observation."""
        points = sorted(reconstruction.points3D.items())
        point_ids = np.array([point_id for point_id, _ in points], np.int64)
        positions = np.array([point.xyz for _, point in points]).reshape(-1, 3)
        images = sorted(map(reconstruction.image, reconstruction.reg_image_ids()), key=lambda image: image.name)
        cameras = [reconstruction.camera(image.camera_id) for image in images]
        seen = [image.get_observation_points2D() for image in images]
        pixels = np.array([point.xy for point in chain.from_iterable(seen)]).reshape(-1, 2)
        ends = np.cumsum([len(some) for some in seen], dtype=np.int64)
        ids = np.array([point.point3D_id for point in chain.from_iterable(seen)], np.int64)
        point_of = np.searchsorted(point_ids, ids)
        projected = np.empty_like(pixels)
        for image, camera, some, end in zip(images, cameras, seen, ends, strict=True):
            rows = slice(end - len(some), end)
            projected[rows] = camera.img_from_cam(image.cam_from_world() * positions[point_of[rows]])
        return cls(
            images=tuple(images),
            cameras=tuple(cameras),
            point_ids=point_ids,
            positions=positions,
            colours=np.array([point.color for _, point in points], np.uint8).reshape(-1, 3),
            point=point_of,
            image=np.repeat(np.arange(len(images)), np.diff(ends, prepend=0)),
            pixels=pixels,
            errors=np.linalg.norm(pixels - projected, axis=1),
        )
