"""Files that arrived from a source, whichever it was."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from pointcloud_ingest.kinds import ARCHIVES, Kind, head_of, kind_of


@dataclass(frozen=True)
class Arrival:
    """A file from a source."""

    name: str
    """What the user knows it by: its path in the volume or the archive, or the name that its sender or server gives.
    Bytes that are no text, and characters that do not show, are replaced: it goes into logs, messages and JSON."""
    file: Path
    """Where it lies now: in the scratch, or in the volume that it came from."""
    address: str | None = None
    """The URL that it came from, which says more than a server's name for it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", legible(self.name))

    @property
    def kind(self) -> Kind:
        """What its content says it is."""
        return kind_of(head_of(self.file))

    @property
    def described(self) -> str:
        """What a message calls it."""
        return self.address or self.name

    @property
    def wanted(self) -> bool:
        """Whether it is a photo, a video or an archive, or named as a photo or a video is.

        A name only decides whether the user meant a file to be one, so that a broken one is named, not passed over.
        """
        return self.suffix in PHOTO_SUFFIXES | VIDEO_SUFFIXES or self.kind in _WANTED

    @property
    def suffix(self) -> str:
        """The ending of its name in lower case: `.jpg`."""
        return PurePosixPath(self.name.lower()).suffix


class UnusableError(Exception):
    """Says in a few words why a file gives no photo."""


RAW_SUFFIXES: Final = frozenset({".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef", ".srw"})
"""Cameras' raw formats: TIFF within, but what Pillow finds there is a thumbnail."""
PHOTO_SUFFIXES: Final = RAW_SUFFIXES | {
    ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif", ".hif", ".avif", ".gif",
}  # fmt: skip
VIDEO_SUFFIXES: Final = frozenset(
    {".mp4", ".m4v", ".mov", ".qt", ".3gp", ".mkv", ".webm", ".avi", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv"}
)
_WANTED: Final = ARCHIVES | {Kind.IMAGE, Kind.VIDEO}
_CLUTTER: Final = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", "lost+found", "@eaDir"})


def legible(name: str) -> str:
    """A file's name as text in one line: what is no character (Python's surrogates) or not printable becomes `?`."""
    return "".join(c if c.isprintable() else "?" for c in name)


def is_clutter(name: str) -> bool:
    """Whether a path is what systems leave beside people's files: `__MACOSX/._a.jpg` is no photo."""
    parts = PurePosixPath(name).parts
    return any(part in _CLUTTER or part.startswith("._") for part in parts)


def listed(names: list[str], *, at_most: int = 5, length: int = 80) -> str:
    """Names for a sentence, none longer than `length`: `a.jpg, b.jpg and 3 more`."""
    shown = ", ".join(name if len(name) <= length else f"{name[: length - 1]}…" for name in names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
