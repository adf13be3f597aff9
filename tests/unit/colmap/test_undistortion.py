"""Which cameras have no undistorted photos."""

import pycolmap
import pytest

from pointcloud_api.resource import CameraModel
from pointcloud_colmap.undistortion import warn_of_panoramas


def seen_by(model: CameraModel) -> pycolmap.Reconstruction:
    """A reconstruction whose one camera is of that model."""
    reconstruction = pycolmap.Reconstruction()
    name = pycolmap.CameraModelId.__members__[model.value]
    camera = pycolmap.Camera.create_from_model_id(1, name, 900.0, 2000, 1000)
    reconstruction.add_camera_with_trivial_rig(camera)
    return reconstruction


@pytest.mark.parametrize("model", CameraModel)
def test_no_pinhole_camera_sees_what_a_panorama_does(model: CameraModel) -> None:
    warning = warn_of_panoramas(seen_by(model))
    assert (warning is not None) == (model is CameraModel.EQUIRECTANGULAR)
    if warning is None:  # COLMAP has an answer: with a panorama it would end the process
        assert pycolmap.undistort_camera(pycolmap.UndistortCameraOptions(), seen_by(model).camera(1)).width
