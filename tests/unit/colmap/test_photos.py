"""What a photo's features are made from."""

from pathlib import Path

from pointcloud_api.stages import Artefact, Photo
from pointcloud_colmap.photos import Photos


def test_features_of_a_photo_with_another_mask_are_others(tmp_path: Path) -> None:
    def origin(mask: str | None) -> str:
        stored = Artefact(path="masks/a.jpg.png", size=1, sha256=mask) if mask else None
        one = Photo(path="images/a.jpg", size=1, sha256="photo", width=1, height=1, mask=stored)
        return Photos(folder=tmp_path, by_name={"a.jpg": one}).origin("a.jpg")

    assert origin(None) == "photo"
    assert len({origin(None), origin("one"), origin("two")}) == 3
