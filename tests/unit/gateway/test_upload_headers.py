"""The headers of the tus protocol."""

import base64
import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointcloud_gateway.problems import Problem
from pointcloud_gateway.uploads.tus_headers import checksum, file_name, number


def encoded(value: bytes | str) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ("", "file"),
        (f"filename {encoded('a.jpg')}", "a.jpg"),
        (f"filetype {encoded('image/jpeg')}, filename {encoded('süd/a.jpg')},empty", "süd/a.jpg"),
        (f"name {encoded('b.jpg')}", "b.jpg"),
        (f"name {encoded('b.jpg')},filename {encoded('a.jpg')}", "a.jpg"),
        (f"filename {encoded('../../a.jpg')}", "a.jpg"),
        (f"filename {encoded(bytes([0xFF]) + b'.jpg')}", "\ufffd.jpg"),
        ("filename", "file"),
    ],
)
def test_the_name_is_in_the_metadata(metadata: str, name: str) -> None:
    assert file_name(metadata) == name


@given(st.text())
def test_any_name_can_be_sent(name: str) -> None:
    assert file_name(f"filename {encoded(name.encode(errors='replace'))}")


@pytest.mark.parametrize(
    "read",
    [
        lambda: file_name("filename !"),
        lambda: file_name("filename " + "A" * 9000),
        lambda: number("Upload-Length", None),
        lambda: number("Upload-Length", "-1"),
        lambda: number("Upload-Length", "1_0"),
        lambda: number("Upload-Length", "٣"),
        lambda: number("Upload-Length", "9" * 16),
        lambda: checksum("md5 AAAA"),
        lambda: checksum("sha1 !"),
        lambda: checksum("sha1"),
    ],
)
def test_what_cannot_be_read_is_refused(read: Callable[[], object]) -> None:
    with pytest.raises(Problem) as refused:
        read()
    assert refused.value.status == 400


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_checksum_is_compared(algorithm: str) -> None:
    expected = checksum(f"{algorithm} {encoded(hashlib.new(algorithm, b'right').digest())}")
    assert expected is not None
    assert expected.matches(b"right")
    assert not expected.matches(b"wrong")


def test_a_checksum_need_not_be_given() -> None:
    assert checksum(None) is None
