"""`transforms.json`: the cameras as nerfstudio, and with it most trainers of Gaussian splats, read them.

Format: https://docs.nerf.studio/quickstart/data_conventions.html. Camera axes are OpenGL's: x right, y up, z backwards,
where COLMAP has y down and z forward. World and pixel coordinates are those of the other files: `applied_transform` is
the identity, so whatever order a reader applies it in, `points.ply` fits.
"""

from typing import Any, Final

import numpy as np
import pycolmap

_PARAMETERS: Final = {
    "SIMPLE_PINHOLE": ("OPENCV", ("f", "cx", "cy")),
    "PINHOLE": ("OPENCV", ("fl_x", "fl_y", "cx", "cy")),
    "SIMPLE_RADIAL": ("OPENCV", ("f", "cx", "cy", "k1")),
    "RADIAL": ("OPENCV", ("f", "cx", "cy", "k1", "k2")),
    "OPENCV": ("OPENCV", ("fl_x", "fl_y", "cx", "cy", "k1", "k2", "p1", "p2")),
    "SIMPLE_RADIAL_FISHEYE": ("OPENCV_FISHEYE", ("f", "cx", "cy", "k1")),
    "RADIAL_FISHEYE": ("OPENCV_FISHEYE", ("f", "cx", "cy", "k1", "k2")),
    "OPENCV_FISHEYE": ("OPENCV_FISHEYE", ("fl_x", "fl_y", "cx", "cy", "k1", "k2", "k3", "k4")),
}
"""By COLMAP's camera models (https://colmap.github.io/cameras.html), nerfstudio's model, and COLMAP's parameters in
their order by nerfstudio's names; f stands for fl_x and fl_y. Simpler distortions are the fuller ones with zeros."""
_DISTORTION: Final = {"OPENCV": ("k1", "k2", "p1", "p2"), "OPENCV_FISHEYE": ("k1", "k2", "k3", "k4")}


def transforms(reconstruction: pycolmap.Reconstruction, *, images: str, points: str) -> dict[str, Any] | None:
    """The document's content, or None where the format has no word for a camera model, or for several at once.

    Args:
        reconstruction: Its registered images are the frames.
        images: Folder of the photos, relative to the document.
        points: The point cloud, relative to the document.
    """
    frames = []
    models = set()
    for image in sorted(map(reconstruction.image, reconstruction.reg_image_ids()), key=lambda image: image.name):
        known = _intrinsics(reconstruction.camera(image.camera_id))
        if known is None:
            return None
        model, intrinsics = known
        models.add(model)
        pose = np.vstack([image.cam_from_world().inverse().matrix(), [0, 0, 0, 1]])
        pose[:3, 1:3] *= -1
        frames.append({"file_path": f"{images}/{image.name}", "transform_matrix": pose.tolist(), **intrinsics})
    if len(models) != 1:
        return None
    return {
        "camera_model": models.pop(),
        "frames": frames,
        "applied_transform": np.eye(4)[:3].tolist(),
        "ply_file_path": points,
    }


def _intrinsics(camera: pycolmap.Camera) -> tuple[str, dict[str, float]] | None:
    if camera.model_name not in _PARAMETERS:
        return None
    model, names = _PARAMETERS[camera.model_name]
    values = dict(zip(names, map(float, camera.params), strict=True))
    if "f" in values:
        values["fl_x"] = values["fl_y"] = values.pop("f")
    size = {"w": camera.width, "h": camera.height}
    return model, {**size, **dict.fromkeys(_DISTORTION[model], 0.0), **values}
