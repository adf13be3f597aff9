"""Estimates which way is up and turns a reconstruction so that up is +Z, as Potree's viewers take it to be.

A reconstruction from photos alone has any orientation. People and drones hold cameras level far more often than not,
so the horizontal axes of the images lie in the ground's plane, and cameras look ahead or down, seldom up.
"""

from typing import Final

import numpy as np
import pycolmap
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_SPREAD: Final = 0.05
"""Least ratio of the second to the first eigenvalue of the images' horizontal axes for these to span a plane: cameras
that turned by some 25 degrees between them."""


def level(reconstruction: pycolmap.Reconstruction) -> None:
    """Rotate the reconstruction, in place, so that the estimated up is +Z. Scale and origin stay."""
    rotation = pycolmap.Rotation3d(rotation_to_z(estimate_up(camera_axes(reconstruction))))
    reconstruction.transform(pycolmap.Sim3d(1.0, rotation, np.zeros(3)))


def camera_axes(reconstruction: pycolmap.Reconstruction) -> FloatArray:
    """Axes of the registered cameras in the world, (N, 3, 3): per camera its right, down and forward axis."""
    poses = (reconstruction.image(image_id).cam_from_world() for image_id in sorted(reconstruction.reg_image_ids()))
    return np.array([pose.rotation.matrix() for pose in poses])


def estimate_up(axes: FloatArray) -> FloatArray:
    """Unit vector (3,) that points up in the world, from the cameras' axes (N, 3, 3).

    The direction that the images' horizontal axes are most nearly perpendicular to; where cameras turned too little
    for that to be one direction, the mean of the images' own up.
    """
    right, down, forward = axes[:, 0], axes[:, 1], axes[:, 2]
    values, vectors = np.linalg.eigh(right.T @ right)
    if values[1] < _SPREAD * values[2]:
        up: FloatArray = -down.mean(axis=0)
        return up / np.linalg.norm(up)
    normal: FloatArray = vectors[:, 0]
    # Level cameras have up in their images, cameras that look down have it behind them.
    return normal if normal @ (down + forward).sum(axis=0) < 0 else -normal


def rotation_to_z(up: FloatArray) -> FloatArray:
    """A rotation matrix (3, 3) that takes the unit vector `up` to +Z."""
    helper = np.eye(3)[np.argmin(np.abs(up))]
    x = np.cross(helper, up)
    x /= np.linalg.norm(x)
    return np.array([x, np.cross(up, x), up])
