"""What is said of photos that are not in the model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pointcloud_colmap.sharpness import sharpness
from pointcloud_colmap.unregistered import Cause, Evidence, Unregistered, cause_of, warn_of_unregistered

GOOD = Evidence(readable=True, features=4000, sharpness=0.9, matches=200, model=None, own_camera=False)


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        ({}, Cause.NOT_PLACED),
        ({"own_camera": True}, Cause.DIFFERENT_CAMERA),
        ({"matches": 29}, Cause.NO_OVERLAP),
        ({"matches": 0, "own_camera": True}, Cause.NO_OVERLAP),
        ({"features": 29, "matches": 0}, Cause.TOO_FEW_FEATURES),
        ({"features": 29, "matches": 0, "sharpness": 0.1}, Cause.BLURRED),
        ({"features": 2900, "matches": 10, "sharpness": 0.1}, Cause.BLURRED),
        ({"sharpness": None, "features": 0}, Cause.TOO_FEW_FEATURES),
        ({"model": 1, "matches": 0, "sharpness": 0.1}, Cause.IN_ANOTHER_MODEL),
        ({"readable": False, "features": 0, "sharpness": None, "own_camera": True}, Cause.UNREADABLE),
    ],
)
def test_what_explains_the_rest_is_the_cause(seen: dict[str, object], cause: Cause) -> None:
    assert cause_of(replace(GOOD, **seen)) is cause  # type: ignore[arg-type]


def photo(name: str, cause: Cause) -> Unregistered:
    return Unregistered(name=name, cause=cause, remedy="", features=9, sharpness=None, matches=0, model=None)


def test_photos_are_named_by_cause_but_not_all_of_many() -> None:
    photos = [photo(f"{index}.jpg", Cause.BLURRED) for index in range(9)] + [photo("x.jpg", Cause.IN_ANOTHER_MODEL)]
    warning = warn_of_unregistered(photos, total=20)
    assert warning
    assert warning.reason == "PartialReconstruction"
    assert warning.message.startswith(
        "10 of 20 photos were registered. 9 blurred beside the others: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 4 more. "
        "Take them again"
    )
    assert "1 in another model, apart from this one: x.jpg. Add photos between" in warning.message


def test_the_longest_warning_fits_an_event() -> None:
    photos = [photo(f"{'ü' * 60}/{cause}-{index}.jpg", cause) for cause in Cause for index in range(9)]
    warning = warn_of_unregistered(photos, total=100)
    assert warning
    assert len(warning.message) <= 900


def test_nothing_is_said_when_all_are_registered() -> None:
    assert warn_of_unregistered([], total=20) is None


def test_blur_is_told_from_bareness(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    detailed = Image.fromarray(random.integers(0, 255, (600, 800), np.uint8)).filter(ImageFilter.GaussianBlur(1))
    detailed.save(tmp_path / "detailed.png")
    detailed.filter(ImageFilter.GaussianBlur(3)).save(tmp_path / "blurred.png")
    wall = 128 + 20 * np.linspace(0, 1, 800)[None, :] + random.normal(0, 2, (600, 800))
    Image.fromarray(wall.astype(np.uint8)).save(tmp_path / "wall.png")
    (tmp_path / "none.png").write_bytes(b"no photo")
    Image.new("L", (800, 600), 90).save(tmp_path / "empty.png")
    detail, blur, bare = (sharpness(tmp_path / f"{name}.png") for name in ("detailed", "blurred", "wall"))
    assert detail
    assert blur
    assert bare
    assert blur < 0.1 * detail
    assert bare > 0.5 * detail
    assert sharpness(tmp_path / "none.png") is None
    assert sharpness(tmp_path / "empty.png") is None
