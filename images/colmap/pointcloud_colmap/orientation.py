"""Estimates which way is up and turns a reconstruction so that up is +Z, as Potree's viewers take it to be.

A reconstruction from photos alone has any orientation. What helps: people and drones hold cameras level far more often
than not, so the horizontal axes of the images are horizontal; they move along the ground more than up and down; and
cameras look ahead or down, seldom up.
"""

from typing import Final

import numpy as np
import pycolmap
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_SPREAD: Final = 0.05
"""Least ratio of a smaller variance to a larger one for which both directions count: for axes of length 1, cameras
that turned by some 25 degrees between them."""


def level(reconstruction: pycolmap.Reconstruction) -> pycolmap.Sim3d:
    """Rotate the reconstruction, in place, so that the estimated up is +Z, and give how. Scale and origin stay."""
    poses = [reconstruction.image(image_id).cam_from_world() for image_id in sorted(reconstruction.reg_image_ids())]
    axes = np.array([pose.rotation.matrix() for pose in poses])
    centres = np.array([pose.inverse().translation for pose in poses])
    rotation = pycolmap.Rotation3d(rotation_to_z(estimate_up(axes, centres)))
    turn = pycolmap.Sim3d(1.0, rotation, np.zeros(3))
    reconstruction.transform(turn)
    return turn


def estimate_up(axes: FloatArray, centres: FloatArray) -> FloatArray:
    """Unit vector (3,) that points up in the world.

    `axes` (N, 3, 3) are the cameras' right, down and forward axes in the world, row by row, `centres` (N, 3) their
    places. Up is perpendicular to the right axes; where those are all nearly one direction, as in a drone's straight
    lines, to the way that the cameras moved too; where that says nothing either, it is the mean of the images' up.
    """
    right, down, forward = axes[:, 0], axes[:, 1], axes[:, 2]
    variances, directions = np.linalg.eigh(right.T @ right)
    normal = directions[:, 0]
    if variances[1] < _SPREAD * variances[2]:
        in_plane = _flattest(centres, plane=directions[:, :2])
        if in_plane is None:
            up: FloatArray = -down.mean(axis=0)
            return up / np.linalg.norm(up)
        normal = in_plane
    # Level cameras have up in their images, cameras that look down have it behind them.
    return normal if normal @ (down + forward).sum(axis=0) < 0 else -normal


def _flattest(centres: FloatArray, *, plane: FloatArray) -> FloatArray | None:
    """The direction in a plane, given by two unit vectors (3, 2), along which the cameras moved least.

    None where they moved little in that plane at all, or in every direction of it.
    """
    moves = centres - centres.mean(axis=0)
    variances, directions = np.linalg.eigh(plane.T @ (moves.T @ moves) @ plane)
    if variances[1] < _SPREAD * (moves**2).sum() or variances[0] > _SPREAD * variances[1]:
        return None
    flattest: FloatArray = plane @ directions[:, 0]
    return flattest


def rotation_to_z(up: FloatArray) -> FloatArray:
    """A rotation matrix (3, 3) that takes the unit vector `up` to +Z."""
    helper = np.eye(3)[np.argmin(np.abs(up))]
    x = np.cross(helper, up)
    x /= np.linalg.norm(x)
    return np.array([x, np.cross(up, x), up])
