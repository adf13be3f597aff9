"""The rendered photos are what the true cameras see, the same each time."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from tools.scene.camera import Camera, FloatArray, Truth, look_at
from tools.scene.paths import orbit
from tools.scene.photos import develop, render, write
from tools.scene.raycast import ELLIPSOID, SKY, Solids, cast, measure
from tools.scene.ruin import ruin
from tools.scene.scenes import NAMES, scene


def camera(*, centre: tuple[float, float, float], width: int = 320) -> Camera:
    rotation = look_at(centre=np.array(centre), target=np.zeros(3))
    return Camera(
        name="test.jpg",
        width=width,
        height=width * 3 // 4,
        focal=float(width),
        principal_point=(width / 2, width * 3 / 8),
        rotation=tuple(map(tuple, rotation.tolist())),
        centre=centre,
    )


def ball(centre: tuple[float, float, float], radius: float) -> Solids:
    return Solids(
        kind=np.array([ELLIPSOID]),
        axes=np.eye(3)[None],
        centre=np.array([centre]),
        size=np.full((1, 3), radius),
        reach=np.array([radius]),
        colours=np.zeros((1, 2, 3)),
        grain=np.ones((1, 3)),
        relief=np.ones(1),
        phase=np.array([1]),
    )


@pytest.mark.parametrize("place", [(0.0, 0.0, 0.0), (1.2, -0.8, 0.6), (-1.5, 0.9, -0.7)])
def test_a_small_ball_appears_where_the_camera_projects_its_centre(place: tuple[float, float, float]) -> None:
    view = camera(centre=(5.0, -4.0, 3.0))

    cover = 1 - cast(ball(place, 0.08), view)[:, :, 0] / SKY[0]

    rows, columns = np.indices(cover.shape) + 0.5
    seen = np.array([(columns * cover).sum(), (rows * cover).sum()]) / cover.sum()
    assert cover.sum() > 20
    np.testing.assert_allclose(seen, view.project(np.array([place]))[0], atol=0.1)


def test_depths_and_normals_are_those_of_the_ball_that_the_camera_sees() -> None:
    seen = camera(centre=(6.0, -4.0, 3.0))
    centre, radius = np.array([0.3, 0.2, -0.1]), 1.0
    depths, normals = measure(ball((0.3, 0.2, -0.1), radius), seen)
    rows, columns = np.nonzero(depths)
    slopes = (np.column_stack([columns, rows]) + 0.5 - np.array(seen.principal_point)) / seen.focal
    local = np.column_stack([slopes, np.ones(len(rows))]) * depths[rows, columns][:, None]
    points = local @ np.array(seen.rotation).T + np.array(seen.centre)
    assert np.linalg.norm(points - centre, axis=1) == pytest.approx(radius)
    assert normals[rows, columns] == pytest.approx((points - centre) / radius)
    assert ((np.array(seen.centre) - points) * normals[rows, columns]).sum(axis=1).min() > 0, "the near side"
    share = np.pi * (seen.focal * radius) ** 2 / np.linalg.norm(np.array(seen.centre) - centre) ** 2
    assert len(rows) == pytest.approx(share, rel=0.05), "and all else is sky"


def test_a_point_behind_the_camera_is_not_projected() -> None:
    with pytest.raises(ValueError, match="behind"):
        camera(centre=(5.0, 0.0, 0.0)).project(np.array([[9.0, 0.0, 0.0]]))


def test_cameras_are_level_with_their_heads_up() -> None:
    for view in orbit(photos=5, width=320):
        rotation = np.array(view.rotation)
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) > 0
        assert rotation[2, 0] == pytest.approx(0)
        assert rotation[2, 1] < 0, "image rows go down"


def test_a_surface_has_one_colour_from_two_sides() -> None:
    """The dome's top, which both cameras see lit: what does not depend on the view can be matched."""
    top = np.array([[0.0, 0.0, 0.55]])
    colours = []
    for side in (-1.0, 1.0):
        view = camera(centre=(side * 4.0, 1.0, 5.0), width=640)
        solids = ball((0.0, 0.0, 0.0), 0.55)._replace(
            colours=np.array([[[0.1, 0.2, 0.3], [0.8, 0.7, 0.6]]]), grain=np.full((1, 3), 0.1)
        )
        column, row = view.project(top)[0].astype(int)
        colours.append(cast(solids, view)[row - 1 : row + 2, column - 1 : column + 2].mean(axis=(0, 1)))
    np.testing.assert_allclose(colours[0], colours[1], rtol=0.1)


def test_the_same_photos_are_written_each_time_and_only_when_needed(tmp_path: Path) -> None:
    truth = write(tmp_path / "one", photos=2, width=160)
    write(tmp_path / "two", photos=2, width=160)

    names = [camera.name for camera in truth.cameras]
    assert sorted(path.name for path in (tmp_path / "one" / "photos").iterdir()) == sorted(names)
    assert Truth.read(tmp_path / "one" / "truth" / "cameras.json") == truth
    for name in names:
        one, two = (tmp_path / folder / "photos" / name for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()

    photo = tmp_path / "one" / "photos" / names[0]
    written = photo.stat().st_mtime_ns
    write(tmp_path / "one", photos=2, width=160)
    assert photo.stat().st_mtime_ns == written
    write(tmp_path / "one", photos=1, width=160)
    assert [path.name for path in photo.parent.iterdir()] == [names[0]]


def test_exif_tells_the_focal_length_and_the_camera(tmp_path: Path) -> None:
    truth = write(tmp_path, photos=1, width=160)

    with Image.open(tmp_path / "photos" / truth.cameras[0].name) as photo:
        tags = photo.getexif()
        details = tags.get_ifd(ExifTags.IFD.Exif)
    assert tags[ExifTags.Base.Make] == "Pointcloud"
    assert details[ExifTags.Base.FocalLength] == pytest.approx(17.3)
    assert details[ExifTags.Base.FocalLengthIn35mmFilm] == 35


def test_other_seeds_are_other_places() -> None:
    view = orbit(photos=1, width=160)[0]
    one, other = (cast(ruin(seed), view).mean(axis=2).ravel() for seed in (1, 2))
    ground = (one != np.mean(SKY)) & (other != np.mean(SKY))
    assert abs(np.corrcoef(one[ground], other[ground])[0, 1]) < 0.5


def test_developing_adds_noise_and_keeps_the_mean() -> None:
    photo = develop(np.full((64, 64, 3), 0.25), seed=1).astype(float)
    assert photo.mean() == pytest.approx(255 * (1.055 * 0.25 ** (1 / 2.4) - 0.055), abs=0.2)
    assert 1 < photo.std() < 2


def test_a_file_that_is_no_truth_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "cameras.json").write_text("{}")
    with pytest.raises(ValueError, match=r"python -m tools\.scene"):
        Truth.read(tmp_path / "cameras.json")


@pytest.mark.parametrize("radial", [(0.0, 0.0), (-0.12, 0.03), (0.1, 0.0)])
@pytest.mark.parametrize("place", [(0.0, 0.0, 0.0), (1.8, 2.2, 0.0), (-1.6, -2.4, 0.3)])
def test_a_lens_bends_rays_as_the_camera_projects(
    place: tuple[float, float, float], radial: tuple[float, float]
) -> None:
    view = camera(centre=(5.0, -4.0, 3.0)).model_copy(update={"radial": radial})
    cover = 1 - cast(ball(place, 0.08), view)[:, :, 0] / SKY[0]
    rows, columns = np.indices(cover.shape) + 0.5
    seen = np.array([(columns * cover).sum(), (rows * cover).sum()]) / cover.sum()
    assert cover.sum() > 20
    np.testing.assert_allclose(seen, view.project(np.array([place]))[0], atol=0.1)
    straight = view.model_copy(update={"radial": (0.0, 0.0)}).project(np.array([place]))[0]
    bend = np.linalg.norm(straight - view.project(np.array([place]))[0])
    assert bend == 0 if radial == (0.0, 0.0) or place == (0.0, 0.0, 0.0) else bend > 1


@pytest.mark.parametrize("name", NAMES)
def test_every_scene_has_as_many_photos_as_asked_for_and_they_overlap(name: str) -> None:
    """Neighbours show common ground: points that the one sees within its frame, the other does too."""
    shot = scene(name, photos=24, width=160)
    assert len({view.name for view in shot.cameras}) == 24
    ground = np.array([[x, y, 0.0] for x in np.arange(-10.0, 10, 0.5) for y in np.arange(-6.0, 6, 0.5)])
    for first, second in pairwise(shot.cameras[:6]):
        both = [_frames(view, ground) for view in (first, second)]
        assert (both[0] & both[1]).sum() > 0.3 * both[0].sum() > 3


def _frames(view: Camera, points: FloatArray) -> NDArray[np.bool_]:
    """Which of the points (N, 3) a camera sees."""
    ahead = (points - np.array(view.centre)) @ np.array(view.rotation)[:, 2] > 0
    pixels = np.full((len(points), 2), -1.0)
    pixels[ahead] = view.project(points[ahead])
    within = (pixels >= 0) & (pixels < [view.width, view.height])
    return within[:, 0] & within[:, 1]


def test_a_video_tells_nothing_of_its_camera(tmp_path: Path) -> None:
    truth = render(tmp_path, scene("video", photos=1, width=160))
    with Image.open(tmp_path / "photos" / truth.cameras[0].name) as frame:
        assert not dict(frame.getexif())
