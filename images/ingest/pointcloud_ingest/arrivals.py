"""Files that arrived from a source, and what their first bytes say they are.

Names lie (a share's "photo.jpg" may be a web page), so kinds are told by content; a name only decides whether the
user meant a file to be a photo, so that a broken one is named instead of passed over.
"""

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path, PurePosixPath
from typing import Final

HEAD_BYTES: Final = 512
"""Enough to tell every kind: tar has its mark at byte 257."""


class Kind(Enum):
    """What a file is, as far as the ingest stage treats it differently."""

    IMAGE = auto()
    ZIP = auto()
    TAR = auto()
    """Plain or compressed; that a compressed file holds a tar shows when it is opened."""
    WEB_PAGE = auto()
    OTHER = auto()


@dataclass(frozen=True)
class Arrival:
    """A file from a source."""

    name: str
    """What the user knows it by: its path in the volume or in the archive, or the name that its server gives."""
    file: Path
    """Where it lies now, in the scratch."""

    @property
    def meant_as_photo(self) -> bool:
        """Whether its name or its content is a photo's."""
        return PurePosixPath(self.name.lower()).suffix in PHOTO_SUFFIXES or kind_of(head_of(self.file)) is Kind.IMAGE


RAW_SUFFIXES: Final = frozenset({".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef", ".srw"})
"""Cameras' raw formats: TIFF within, but what Pillow finds there is a thumbnail."""
PHOTO_SUFFIXES: Final = RAW_SUFFIXES | {
    ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif", ".avif", ".gif",
}  # fmt: skip
_CLUTTER: Final = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", "lost+found", "@eaDir"})
_IMAGE_MARKS: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8")
_COMPRESSED_MARKS: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"mif1", b"avif"})
_ZIP_MARKS: Final = (b"PK\x03\x04", b"PK\x05\x06")


def head_of(file: Path) -> bytes:
    """The first bytes of a file."""
    with file.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def kind_of(head: bytes) -> Kind:
    """What the first `HEAD_BYTES` of a file say it is."""
    if head.startswith(_IMAGE_MARKS) or is_heif(head) or is_webp(head):
        return Kind.IMAGE
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return Kind.IMAGE
    if head.startswith(_ZIP_MARKS):
        return Kind.ZIP
    if head.startswith(_COMPRESSED_MARKS) or head[257:262] == b"ustar":
        return Kind.TAR
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return Kind.WEB_PAGE
    return Kind.OTHER


def is_heif(head: bytes) -> bool:
    """Whether a file begins as HEIC or AVIF do."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def is_webp(head: bytes) -> bool:
    """Whether a file begins as WebP does."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def is_clutter(name: str) -> bool:
    """Whether a path is what systems leave beside people's files: `__MACOSX/._a.jpg` is no photo."""
    parts = PurePosixPath(name).parts
    return any(part in _CLUTTER or part.startswith("._") for part in parts)


def listed(names: list[str], *, at_most: int = 5) -> str:
    """Names for a sentence: `a.jpg, b.jpg and 3 more`."""
    shown = ", ".join(name if len(name) <= 80 else f"{name[:79]}…" for name in names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
