"""The inputs for failure tests fail for the reason they say."""

from pathlib import Path

import pytest
from PIL import Image, UnidentifiedImageError

from tools.scene.degenerate import not_a_photo, truncated, unrelated


def test_unrelated_photos_are_good_photos(tmp_path: Path) -> None:
    paths = unrelated(tmp_path, photos=2)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        with Image.open(path) as photo:
            photo.load()


def test_not_a_photo_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnidentifiedImageError):
        Image.open(not_a_photo(tmp_path))


def test_a_truncated_photo_opens_and_then_ends_too_soon(tmp_path: Path) -> None:
    path = truncated(unrelated(tmp_path, photos=1)[0])
    with Image.open(path) as photo, pytest.raises(OSError, match="truncated"):
        photo.load()
