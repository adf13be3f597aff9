"""What the first bytes of a file say it is.

Names lie (a share's "photo.jpg" may be a web page), so kinds are told by content alone.
"""

from enum import Enum, auto
from pathlib import Path
from typing import Final

HEAD_BYTES: Final = 512
"""Enough to tell every kind: tar has its mark at byte 257, a camcorder's packets theirs at 4, 196 and 388."""


class Kind(Enum):
    """What a file is, as far as the ingest stage treats it differently."""

    IMAGE = auto()
    VIDEO = auto()
    ZIP = auto()
    TAR = auto()
    """Plain or compressed; that a compressed file holds a tar shows when it is opened."""
    WEB_PAGE = auto()
    OTHER = auto()


ARCHIVES: Final = frozenset({Kind.ZIP, Kind.TAR})

_IMAGE_MARKS: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8")
_COMPRESSED_MARKS: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
_ZIP_MARKS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_DOCUMENT_MEMBERS: Final = (b"[Content_Types].xml", b"mimetype", b"META-INF/")
"""First members of zips that are documents or programs: an office file's pictures are nobody's photos."""
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1", b"miaf",
     b"avif", b"avis"}
)  # fmt: skip
"""Stills and sequences of them. What else begins with `ftyp` is a video, but for the next two sets."""
_RAW_BRANDS: Final = frozenset({b"crx "})
_SOUND_BRANDS: Final = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "})
_QUICKTIME_BOXES: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})
"""What a QuickTime film begins with that is older than `ftyp`."""
_TS_MARK: Final = 0x47
_TS_LAYOUTS: Final = ((0, 188), (4, 192))
"""First mark and distance between marks: as broadcast, and as camcorders write it with a time before each packet."""


def head_of(file: Path) -> bytes:
    """The first bytes of a file."""
    with file.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def kind_of(head: bytes) -> Kind:
    """What the first `HEAD_BYTES` of a file say it is."""
    if (
        head.startswith(_IMAGE_MARKS)
        or _is_heif(head)
        or _is_webp(head)
        or _is_bmp(head)
        or _brand(head) in _RAW_BRANDS
    ):
        return Kind.IMAGE
    if container_of(head):
        return Kind.VIDEO
    if head.startswith(_ZIP_MARKS):
        return Kind.OTHER if head[30:].startswith(_DOCUMENT_MEMBERS) else Kind.ZIP
    if head.startswith(_COMPRESSED_MARKS) or head[257:262] == b"ustar":
        return Kind.TAR
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return Kind.WEB_PAGE
    return Kind.OTHER


def container_of(head: bytes) -> str | None:
    """FFmpeg's name of the video container that a file begins as, or None.

    Only these four are opened, each by its own reader: FFmpeg's own guess would also take playlists, which name
    other files and addresses.
    """
    brand = _brand(head)
    if brand not in _HEIF_BRANDS | _RAW_BRANDS | _SOUND_BRANDS and (brand or head[4:8] in _QUICKTIME_BOXES):
        return "mov"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if any(all(mark == _TS_MARK for mark in head[first::step]) for first, step in _TS_LAYOUTS if len(head) > 2 * step):
        return "mpegts"
    return None


def _is_heif(head: bytes) -> bool:
    """Whether a file begins as HEIC or AVIF do."""
    return _brand(head) in _HEIF_BRANDS


def _is_webp(head: bytes) -> bool:
    """Whether a file begins as WebP does."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _brand(head: bytes) -> bytes:
    """The major brand of a file of the MP4 family; empty for others."""
    return head[8:12] if head[4:8] == b"ftyp" else b""


def _is_bmp(head: bytes) -> bool:
    return head[:2] == b"BM" and head[6:10] == bytes(4)
