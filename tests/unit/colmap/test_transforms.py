"""The document, read as nerfstudio's documentation says, projects points where COLMAP's model sees them."""

from typing import Any

import numpy as np
import pycolmap
import pytest

from pointcloud_colmap.orientation import FloatArray
from pointcloud_colmap.transforms import transforms
from tests.unit.colmap.models import synthetic

MODELS = {
    "SIMPLE_PINHOLE": [900.0, 510.0, 380.0],
    "PINHOLE": [900.0, 950.0, 510.0, 380.0],
    "SIMPLE_RADIAL": [900.0, 510.0, 380.0, 0.05],
    "RADIAL": [900.0, 510.0, 380.0, 0.05, -0.02],
    "OPENCV": [900.0, 950.0, 510.0, 380.0, 0.05, -0.02, 0.003, -0.002],
    "SIMPLE_RADIAL_FISHEYE": [900.0, 510.0, 380.0, 0.05],
    "RADIAL_FISHEYE": [900.0, 510.0, 380.0, 0.05, -0.02],
    "OPENCV_FISHEYE": [900.0, 950.0, 510.0, 380.0, 0.05, -0.02, 0.01, -0.005],
}


def project(document: dict[str, Any], frame: dict[str, Any], points: FloatArray) -> FloatArray:
    """Pixels (N, 2) of points (N, 3), by OpenCV's formulas: https://docs.opencv.org/4.x/d9/d0c/group__calib3d.html."""
    pose = np.array(frame["transform_matrix"])
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    assert (local[:, 2] < 0).all(), "cameras look along -z"
    x, y = local[:, 0] / -local[:, 2], -local[:, 1] / -local[:, 2]
    if document["camera_model"] == "OPENCV_FISHEYE":
        radius = np.hypot(x, y)
        angle = np.arctan(radius)
        bent = angle * (1 + sum(frame[f"k{n}"] * angle ** (2 * n) for n in (1, 2, 3, 4)))
        u, v = x * bent / radius, y * bent / radius
    else:
        assert document["camera_model"] == "OPENCV"
        square = x * x + y * y
        radial = 1 + frame["k1"] * square + frame["k2"] * square**2
        u = x * radial + 2 * frame["p1"] * x * y + frame["p2"] * (square + 2 * x * x)
        v = y * radial + frame["p1"] * (square + 2 * y * y) + 2 * frame["p2"] * x * y
    return np.column_stack([frame["fl_x"] * u + frame["cx"], frame["fl_y"] * v + frame["cy"]])


@pytest.mark.parametrize("name", MODELS)
def test_points_are_where_the_model_has_them(name: str) -> None:
    model = synthetic(
        camera_model_id=getattr(pycolmap.CameraModelId, name),
        camera_params=MODELS[name],
        camera_width=1024,
        camera_height=768,
    )
    document = transforms(model, images="images", points="points.ply")
    assert document is not None
    assert document["ply_file_path"] == "points.ply"
    assert np.array_equal(document["applied_transform"], np.eye(4)[:3])
    frames = {frame["file_path"]: frame for frame in document["frames"]}
    assert len(frames) == 8
    for image in map(model.image, model.reg_image_ids()):
        frame = frames[f"images/{image.name}"]
        assert (frame["w"], frame["h"]) == (1024, 768)
        seen = image.get_observation_points2D()
        points = np.array([model.point3D(point.point3D_id).xyz for point in seen])
        pixels = np.array([point.xy for point in seen])
        assert project(document, frame, points) == pytest.approx(pixels, abs=1e-6)


def test_a_lens_beside_a_fisheye_gives_no_document_because_the_format_has_one_model_for_all() -> None:
    model = synthetic(camera_model_id=pycolmap.CameraModelId.OPENCV, camera_params=MODELS["OPENCV"])
    fisheye = pycolmap.Camera(model="OPENCV_FISHEYE", params=MODELS["OPENCV_FISHEYE"], width=1024, height=768)
    fisheye.camera_id = 99
    model.add_camera_with_trivial_rig(fisheye)
    image = pycolmap.Image(name="fisheye.jpg", camera_id=99, image_id=99)
    model.add_image_with_trivial_frame(image, pycolmap.Rigid3d())
    assert transforms(model, images="images", points="points.ply") is None


def test_a_camera_that_the_format_has_no_word_for_gives_no_document() -> None:
    model = synthetic(camera_model_id=pycolmap.CameraModelId.FOV, camera_params=[900.0, 900.0, 512.0, 384.0, 0.01])
    assert transforms(model, images="images", points="points.ply") is None
