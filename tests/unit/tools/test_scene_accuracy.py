"""The accuracy measure finds known transforms, and names the errors that were put in."""

from pathlib import Path

import numpy as np
import pytest

from tools.scene.accuracy import Pose, compare, fit_robust_similarity, fit_similarity, read_images_txt, read_points_txt
from tools.scene.camera import Truth
from tools.scene.paths import orbit

TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
SHIFT = np.array([3.0, -2.0, 11.0])
TRUTH = Truth(generator="test", extent=12.0, cameras=orbit(photos=12, width=320))


def reconstructed() -> dict[str, Pose]:
    """Give the true cameras in a frame of their own, as a reconstruction would."""
    return {
        camera.name: Pose(
            rotation=TURN @ np.array(camera.rotation), centre=0.3 * TURN @ np.array(camera.centre) + SHIFT
        )
        for camera in TRUTH.cameras
    }


def test_a_known_similarity_is_recovered() -> None:
    points = np.random.default_rng(1).normal(size=(7, 3))

    fit = fit_similarity(points, 2.5 * points @ TURN.T + SHIFT)

    assert fit.scale == pytest.approx(2.5)
    np.testing.assert_allclose(fit.rotation, TURN, atol=1e-12)
    np.testing.assert_allclose(fit.translation, SHIFT, atol=1e-12)


def test_a_mirrored_scene_is_not_fitted_by_a_mirror() -> None:
    points = np.random.default_rng(1).normal(size=(7, 3))
    fit = fit_similarity(points, points * [-1, 1, 1])
    assert np.linalg.det(fit.rotation) == pytest.approx(1)


@pytest.mark.parametrize("fit", [fit_similarity, fit_robust_similarity])
def test_points_on_a_line_are_refused(fit: type) -> None:
    line = np.outer(np.arange(5.0), [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="not on one line"):
        fit(line, line)


def test_a_perfect_reconstruction_has_no_error() -> None:
    accuracy = compare(reconstructed(), TRUTH)
    assert accuracy.centre_error_max < 1e-9
    assert accuracy.centre_error_rms <= accuracy.centre_error_max
    assert accuracy.rotation_error_deg < 1e-6
    assert (accuracy.registered, accuracy.expected) == (12, 12)


def test_one_camera_far_off_is_the_only_error() -> None:
    """0.3 units of the reconstruction are one metre, and 12 metres are the scene."""
    poses = reconstructed()
    name = TRUTH.cameras[4].name
    poses[name] = Pose(rotation=poses[name].rotation, centre=poses[name].centre + np.array([0.0, 0.36, 0.0]))

    accuracy = compare(poses, TRUTH)

    assert accuracy.centre_error_max == pytest.approx(1.2 / 12, rel=1e-6)
    assert accuracy.centre_error_rms == pytest.approx(1.2 / 12 / np.sqrt(12), rel=1e-6)


def test_a_turned_camera_is_measured_in_degrees() -> None:
    poses = reconstructed()
    name = TRUTH.cameras[0].name
    roll = np.radians(2.0)
    spin = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    poses[name] = Pose(rotation=poses[name].rotation @ spin, centre=poses[name].centre)
    assert compare(poses, TRUTH).rotation_error_deg == pytest.approx(2.0)


def test_unregistered_and_unknown_photos_are_counted_right() -> None:
    poses = reconstructed()
    poses["stranger.jpg"] = poses.pop(TRUTH.cameras[3].name)
    accuracy = compare(poses, TRUTH)
    assert (accuracy.registered, accuracy.expected) == (11, 12)


def test_too_few_cameras_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 3"):
        compare(dict(list(reconstructed().items())[:2]), TRUTH)


def test_colmap_text_is_read(tmp_path: Path) -> None:
    """The quaternion turns the world a quarter about z, so the camera's x axis is the world's -y."""
    half = np.sqrt(0.5)
    (tmp_path / "images.txt").write_text(
        "# Image list\n"
        f"1 {half} 0 0 {half} 1 2 3 1 a photo.jpg\n"
        "10.5 20.5 -1 30 40 7\n"
        "2 1 0 0 0 -4 -5 -6 1 empty.jpg\n"
        "\n"
    )
    poses = read_images_txt(tmp_path / "images.txt")
    assert set(poses) == {"a photo.jpg", "empty.jpg"}
    np.testing.assert_allclose(poses["a photo.jpg"].rotation, [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(poses["a photo.jpg"].centre, [-2, 1, -3], atol=1e-12)
    np.testing.assert_allclose(poses["empty.jpg"].centre, [4, 5, 6], atol=1e-12)


def test_colmap_points_are_read(tmp_path: Path) -> None:
    (tmp_path / "points3D.txt").write_text("# Points\n7 1.5 -2 3e1 255 0 0 0.4 1 2 3 4\n9 4 5 6 1 2 3 0.1 1 0\n")
    np.testing.assert_allclose(read_points_txt(tmp_path / "points3D.txt"), [[1.5, -2.0, 30.0], [4.0, 5.0, 6.0]])


def test_a_missing_or_cut_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="model_converter --output_type TXT"):
        read_images_txt(tmp_path / "images.txt")
    (tmp_path / "images.txt").write_text("1 1 0 0\n\n")
    with pytest.raises(ValueError, match="export it again"):
        read_images_txt(tmp_path / "images.txt")
