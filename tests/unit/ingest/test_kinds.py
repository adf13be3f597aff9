import io
import zipfile

import pytest
from PIL import Image

from pointcloud_ingest.kinds import Kind, container_of, kind_of


def box(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + bytes(12)


def zipped(first: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr(first, b"x")
    return out.getvalue()


def packets(size: int, before: int) -> bytes:
    return (bytes(before) + b"\x47" + bytes(size - before - 1)) * 3


def avif() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "AVIF")
    return out.getvalue()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (zipped("a.jpg"), Kind.ZIP),
        (b"PK\x05\x06" + bytes(18), Kind.ZIP),
        (zipped("[Content_Types].xml"), Kind.OTHER),
        (zipped("mimetype"), Kind.OTHER),
        (b"\x1f\x8b", Kind.TAR),
        (bytes(257) + b"ustar", Kind.TAR),
        (b"\n<!DOCTYPE html>", Kind.WEB_PAGE),
        (b"BMW parts list", Kind.OTHER),
        (b"RIFF\0\0\0\0WAVE", Kind.OTHER),
        (b"G" + bytes(511), Kind.OTHER),
        (b"", Kind.OTHER),
        (avif(), Kind.IMAGE),
        *[(box(brand), Kind.IMAGE) for brand in (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"avis", b"crx ")],
        *[(box(brand), Kind.VIDEO) for brand in (b"isom", b"mp42", b"avc1", b"qt  ", b"M4V ", b"3gp4", b"hvc1")],
        (box(b"M4A "), Kind.OTHER),
        (b"\0\0\0\x08wide\0\0\0\0mdat", Kind.VIDEO),
    ],
)  # fmt: skip
def test_kinds_are_told_by_content(head: bytes, kind: Kind) -> None:
    assert kind_of(head[:512]) is kind


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"\x1aE\xdf\xa3", "matroska"),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (packets(188, 0), "mpegts"),
        (packets(192, 4), "mpegts"),
        (b"#EXTM3U\nhttp://169.254.169.254/", None),
        (b"ffconcat version 1.0\nfile /etc/passwd", None),
        (b"<?xml version='1.0'?><MPD>", None),
    ],
)
def test_containers_are_known_by_their_marks_and_playlists_are_none(head: bytes, container: str | None) -> None:
    assert container_of(head[:512]) == container
    assert (kind_of(head[:512]) is Kind.VIDEO) == (container is not None)
