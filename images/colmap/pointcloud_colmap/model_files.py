"""Models in a file, by the names of their photos: COLMAP's own files hold them by numbers that every pod gives anew.

Only what mapping has found out is written, poses, cameras and points with their tracks: a ninth of COLMAP's files,
which repeat all features. As tracks refer to features by their numbers, the file names the SHA-256 of each photo's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pycolmap
from numpy.typing import NDArray

_ARRAYS: Final = 8
"""Of one model."""
_POSE: Final = 7
"""Numbers of a pose: the quaternion (x, y, z, w) and the translation of camera from world."""


def write_models(file: Path, models: Sequence[pycolmap.Reconstruction], digests: Mapping[str, str]) -> None:
    """Write what `read_models` reads; `digests` are the SHA-256 of the features by name of the photo."""
    with file.open("wb") as stream:
        for model in models:
            for array in _arrays(model, digests):
                np.save(stream, array)


def read_models(file: Path, cache: pycolmap.DatabaseCache, digests: Mapping[str, str]) -> list[pycolmap.Reconstruction]:
    """The models in a file, with the photos that they place in terms of the database.

    Raises ValueError when it holds something else, or photos that the database lacks or has other features of.
    """
    arrays = []
    with file.open("rb") as stream:
        try:
            while stream.tell() < file.stat().st_size:
                arrays.append(np.load(stream, allow_pickle=False))
        except (EOFError, ValueError) as error:
            raise ValueError(f"{file.name} holds no models: {error}") from None
    if not arrays or len(arrays) % _ARRAYS:
        raise ValueError(f"{file.name} holds no models: {len(arrays)} arrays")
    ids = {image.name: image_id for image_id, image in cache.images.items()}
    try:
        return [_model(cache, ids, digests, *arrays[at : at + _ARRAYS]) for at in range(0, len(arrays), _ARRAYS)]
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"{file.name} holds no models of these photos: {error!r}") from None


def _arrays(model: pycolmap.Reconstruction, digests: Mapping[str, str]) -> tuple[NDArray[np.generic], ...]:
    images = [model.image(image_id) for image_id in sorted(model.reg_image_ids())]
    number = {image.image_id: index for index, image in enumerate(images)}
    points = list(model.points3D.values())
    tracks = [[(number[element.image_id], element.point2D_idx) for element in p.track.elements] for p in points]
    cameras = [model.camera(image.camera_id) for image in images]
    most = max(len(camera.params) for camera in cameras)
    return (
        np.array([(image.name, digests[image.name]) for image in images]),
        np.array([camera.model_name for camera in cameras]),
        np.array([np.pad(camera.params, (0, most - len(camera.params)), constant_values=np.nan) for camera in cameras]),
        np.array([_pose_numbers(image.cam_from_world()) for image in images]),
        np.array([point.xyz for point in points]).reshape(-1, 3),
        np.array([point.color for point in points], np.uint8).reshape(-1, 3),
        np.array([len(track) for track in tracks], np.uint32),
        np.array([element for track in tracks for element in track], np.uint32).reshape(-1, 2),
    )


def _pose_numbers(pose: pycolmap.Rigid3d) -> NDArray[np.float64]:
    return np.concatenate([pose.rotation.quat, pose.translation])


def _model(  # noqa: PLR0913, PLR0917 - the arrays of the file, in their order
    cache: pycolmap.DatabaseCache,
    ids: Mapping[str, int],
    digests: Mapping[str, str],
    photos: NDArray[np.str_],
    models: NDArray[np.str_],
    params: NDArray[np.float64],
    poses: NDArray[np.float64],
    xyz: NDArray[np.float64],
    colors: NDArray[np.uint8],
    lengths: NDArray[np.uint32],
    elements: NDArray[np.uint32],
) -> pycolmap.Reconstruction:
    model = pycolmap.Reconstruction()
    model.load(cache)
    images = []
    for (name, digest), camera_model, numbers, pose in zip(photos, models, params, poses, strict=True):
        if digests[str(name)] != digest:
            raise KeyError(f"other features of {name}")
        image = model.image(ids[str(name)])
        camera = model.camera(image.camera_id)
        if camera.model_name != camera_model:
            raise KeyError(f"another camera model of {name}")
        camera.params = numbers[~np.isnan(numbers)]
        model.frame(image.frame_id).set_cam_from_world(image.camera_id, _pose(pose))
        model.register_frame(image.frame_id)
        images.append(image.image_id)
    tracks = np.split(elements, np.cumsum(lengths)[:-1])
    for place, color, track in zip(xyz, colors, tracks, strict=True):
        seen = pycolmap.Track([pycolmap.TrackElement(images[number], int(point)) for number, point in track])
        model.add_point3D(place, seen, color)
    return model


def _pose(numbers: NDArray[np.float64]) -> pycolmap.Rigid3d:
    if numbers.shape != (_POSE,):
        raise IndexError(f"a pose of shape {numbers.shape}")
    return pycolmap.Rigid3d(pycolmap.Rotation3d(numbers[:4]), numbers[4:])
