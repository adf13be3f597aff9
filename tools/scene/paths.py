"""Where the cameras of a scene stand: the ways in which people take photos, never exact, the same each time."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from tools.scene.camera import Camera, FloatArray, look_at

_DOWN: Final = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
"""Camera to world of one that looks straight down, the top of its pictures to the north."""
_FRAMES_A_SECOND: Final = 2


def orbit(*, photos: int, width: int, seed: int = 0) -> tuple[Camera, ...]:
    """Place cameras once around the origin, as a person with a pole would: alternately high and low."""
    if photos < 1:
        raise ValueError(f"an orbit of {photos} photos shows nothing; ask for at least 1")
    random = np.random.default_rng(seed)
    cameras = []
    for index in range(photos):
        bearing = 2 * np.pi * (index + random.uniform(-0.1, 0.1)) / photos
        distance = random.uniform(10.6, 11.6)
        rise = (4.4 if index % 2 else 6.0) + random.uniform(-0.3, 0.3)
        centre = np.array([distance * np.cos(bearing), distance * np.sin(bearing), rise])
        target = np.array([*random.uniform(-0.3, 0.3, 2), 0.75])
        cameras.append(
            _camera(f"ruin-{index + 1:02d}.jpg", width, centre=centre, rotation=look_at(centre=centre, target=target))
        )
    return tuple(cameras)


def grid(*, photos: int, width: int, seed: int = 0) -> tuple[Camera, ...]:
    """Fly lines to and fro, 9 m above an area of 8 m by 6 m around the origin, looking straight down."""
    lines = max(2, round(np.sqrt(0.8 * photos)))
    along = np.array_split(np.arange(photos), lines)
    places = []
    for line, some in enumerate(along):
        eastings = np.linspace(-4, 4, len(some)) * (-1) ** line
        places += [(easting, 6 * (line / (lines - 1) - 0.5), 9.0, line % 2) for easting in eastings]
    return _overhead("grid", places, width=width, seed=seed)


def corridor(*, photos: int, width: int, seed: int = 0) -> tuple[Camera, ...]:
    """Fly eastwards 14 m along a line 8 m above the ground, and back 3 m beside it, looking straight down."""
    there = -(-photos // 2)
    places = [(easting, -1.5, 8.0, 0) for easting in np.linspace(-7, 7, there)]
    places += [(easting, 1.5, 8.0, 1) for easting in np.linspace(7, -7, photos - there)]
    return _overhead("corridor", places, width=width, seed=seed)


def video(*, photos: int, width: int, seed: int = 0) -> tuple[Camera, ...]:
    """Walk a third of the way round the origin with a camera that films, two frames a second."""
    random = np.random.default_rng(seed)
    sway = random.uniform(0, 2 * np.pi, 3)
    cameras = []
    for index in range(photos):
        bearing = 2 * np.pi / 3 * index / photos
        bob = 0.05 * np.sin(1.9 * index + sway)
        centre = np.array([9.5 * np.cos(bearing), 9.5 * np.sin(bearing), 2.6]) + bob
        target = np.array([0.0, 0.0, 1.0]) + 3 * bob[::-1]
        seconds = index / _FRAMES_A_SECOND
        cameras.append(
            _camera(f"{seconds:09.3f}s.jpg", width, centre=centre, rotation=look_at(centre=centre, target=target))
        )
    return tuple(cameras)


def through(cameras: Iterable[Camera], radial: tuple[float, float]) -> tuple[Camera, ...]:
    """Give the same cameras with a lens of this distortion (k1, k2)."""
    return tuple(camera.model_copy(update={"radial": radial}) for camera in cameras)


def _overhead(
    name: str, places: Iterable[tuple[float, float, float, int]], *, width: int, seed: int
) -> tuple[Camera, ...]:
    """Cameras at (x, y, z, whether they fly back), as the wind has them: a little beside, tilted by some degrees."""
    random = np.random.default_rng(seed)
    cameras = []
    for index, (x, y, z, back) in enumerate(places):
        yaw, pitch, roll = np.radians([180.0 * back + random.normal(0, 4), *random.normal(0, 3, 2)])
        rotation = _about(2, yaw) @ _DOWN @ _about(0, pitch) @ _about(1, roll)
        centre = np.array([x, y, z]) + random.normal(0, 0.15, 3)
        cameras.append(_camera(f"{name}-{index + 1:02d}.jpg", width, centre=centre, rotation=rotation))
    return tuple(cameras)


def _about(axis: int, angle: float) -> FloatArray:
    """Give the rotation about a coordinate axis."""
    turn = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[second, first], turn[first, second] = np.sin(angle), -np.sin(angle)
    return turn


def _camera(name: str, width: int, *, centre: FloatArray, rotation: FloatArray) -> Camera:
    height = width * 3 // 4
    return Camera(
        name=name,
        width=width,
        height=height,
        focal=float(width),
        principal_point=(width / 2, height / 2),
        rotation=tuple(map(tuple, rotation.tolist())),
        centre=tuple(centre.tolist()),
    )
