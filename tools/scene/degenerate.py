"""Inputs that no reconstruction can come of, as people really hand them in: for tests of failures."""

from pathlib import Path

from tools.scene.paths import orbit
from tools.scene.photos import take
from tools.scene.ruin import ruin

_WIDTH = 480


def unrelated(folder: Path, *, photos: int = 4) -> list[Path]:
    """Write good photos of as many different scenes: features in plenty, but no two photos overlap."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, camera in enumerate(orbit(photos=photos, width=_WIDTH)):
        path = folder / f"place-{index + 1:02d}.jpg"
        take(ruin(seed=1000 + index), camera, path, seed=index)
        paths.append(path)
    return paths


def not_a_photo(folder: Path) -> Path:
    """Write a text file that is named like a photo."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "not-a-photo.jpg"
    path.write_text("This is a letter, not a photo.\n" * 100, encoding="utf-8")
    return path


def truncated(photo: Path, *, name: str = "truncated.jpg") -> Path:
    """Write the first half of a good photo beside it, as a transfer that broke off leaves it."""
    whole = photo.read_bytes()
    path = photo.with_name(name)
    path.write_bytes(whole[: len(whole) // 2])
    return path
