"""Which mask belongs to which photo, and in what shape it is stored."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointcloud_api.stages import IngestLimits
from pointcloud_ingest.arrivals import Arrival, UnusableError
from pointcloud_ingest.masks import may_be_mask, sort_out, write_mask
from pointcloud_ingest.memory import Room
from pointcloud_ingest.photos import Checked


def sorted_out(photos: list[str], candidates: list[str]) -> tuple[dict[str, str], list[str], list[str]]:
    nowhere = Path("/nowhere")
    assert all(may_be_mask(name) for name in candidates)
    masks, others = sort_out(
        [Arrival(name, nowhere) for name in candidates], [Arrival(name, nowhere) for name in photos]
    )
    return {photo.name: mask.name for photo, mask in masks.of.items()}, masks.unused, [o.name for o in others]


@pytest.mark.parametrize(
    ("photo", "mask"),
    [
        ("images/a.jpg", "masks/a.jpg.png"),
        ("images/a.jpg", "masks/a.png"),
        ("a.jpg", "masks/a.jpg.png"),
        ("set/photos/day 1/a.JPG", "set/masks/day 1/a.JPG.png"),
        ("set/photos/day 1/a.JPG", "set/Masks/day 1/a.PNG"),
        ("set/a.b.jpg", "set/masks/a.b.png"),
        ("images/a.png", "masks/a.png"),
    ],
)
def test_a_mask_is_found_beside_its_photo(photo: str, mask: str) -> None:
    assert sorted_out([photo, "images/other.jpg"], [mask]) == ({photo: mask}, [], [])


def test_a_mask_of_another_folder_of_no_photo_or_of_two_is_not_used_and_no_photo() -> None:
    used, unused, photos = sorted_out(
        ["one/images/a.jpg", "two/images/a.jpg", "two/left/b.jpg", "two/right/b.jpg"],
        ["one/masks/a.png", "one/masks/c.png", "two/masks/b.jpg.png", "two/masks/a.png"],
    )
    assert used == {"one/images/a.jpg": "one/masks/a.png", "two/images/a.jpg": "two/masks/a.png"}
    assert unused == [
        "one/masks/c.png belongs to no photo",
        "two/masks/b.jpg.png may belong to two/left/b.jpg or two/right/b.jpg",
    ]
    assert photos == []


def test_of_two_masks_of_a_photo_the_second_is_not_used() -> None:
    used, unused, _ = sorted_out(["images/a.jpg"], ["masks/a.jpg.png", "masks/a.png"])
    assert used == {"images/a.jpg": "masks/a.jpg.png"}
    assert unused == ["masks/a.png is the second mask of images/a.jpg"]


def test_photos_of_masks_are_photos() -> None:
    assert sorted_out(["hall/a.jpg"], ["Africa/masks/front.png", "Africa/masks/back.png"]) == (
        {}, [], ["Africa/masks/front.png", "Africa/masks/back.png"],
    )  # fmt: skip


@pytest.mark.parametrize("name", ["masks/a.jpg", "mask/a.png", "masks.png", "a/masks", "images/masks.png"])
def test_what_is_no_png_below_masks_is_no_mask(name: str) -> None:
    assert not may_be_mask(name)


def write(tmp_path: Path, mask: Image.Image, photo: Checked) -> Image.Image:
    mask.save(tmp_path / "mask.png")
    write_mask(
        Arrival("masks/a.png", tmp_path / "mask.png"),
        photo,
        tmp_path / "to" / "a.jpg.png",
        IngestLimits(),
        Room(1 << 30),
    )
    with Image.open(tmp_path / "to" / "a.jpg.png") as stored:
        assert stored.mode == "L"
        return stored.copy()


def left_half(width: int, height: int) -> Image.Image:
    """White on the left."""
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    return Image.fromarray(mask)


PHOTO = Checked("JPEG", 80, 60)


@pytest.mark.parametrize("mask", [left_half(80, 60), left_half(40, 30), left_half(161, 120).convert("RGBA")])
def test_a_mask_is_stored_in_the_size_of_its_photo(tmp_path: Path, mask: Image.Image) -> None:
    stored = np.asarray(write(tmp_path, mask, PHOTO))
    assert stored.shape == (60, 80)
    assert np.abs(stored.astype(int) - np.asarray(left_half(80, 60))).mean() < 4


def test_a_mask_made_of_the_photo_as_it_is_seen_is_turned_as_the_photo_is_stored(tmp_path: Path) -> None:
    # Seen upright after a turn to the right (6), the stored bottom is on the left.
    stored = np.asarray(write(tmp_path, left_half(60, 80), Checked("JPEG", 80, 60, orientation=6)))
    assert stored.shape == (60, 80)
    assert (stored[:30].max(), stored[30:].min()) == (0, 255)


@pytest.mark.parametrize(
    ("mask", "words"),
    [(left_half(60, 80), "60 x 80 pixels, and its photo 80 x 60"), (Image.new("L", (80, 60)), "black all over")],
)
def test_a_mask_of_another_shape_or_without_white_is_not_used(tmp_path: Path, mask: Image.Image, words: str) -> None:
    with pytest.raises(UnusableError, match=words):
        write(tmp_path, mask, PHOTO)


def test_a_mask_that_is_no_picture_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"no picture")
    with pytest.raises(UnusableError, match="not a PNG"):
        write_mask(
            Arrival("masks/a.png", tmp_path / "mask.png"), PHOTO, tmp_path / "a.png", IngestLimits(), Room(1 << 30)
        )
