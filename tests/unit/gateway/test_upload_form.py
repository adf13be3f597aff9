"""The files of a form, however its body is cut into pieces."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointcloud_gateway.problems import Problem
from pointcloud_gateway.uploads.form import boundary_of, file_events

Files = list[tuple[str, bytes]]
BOUNDARY = "b0undary"
HEAD = b'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\%'), min_size=1, max_size=20)


async def pieces(body: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    start = 0
    for size in [*sizes, len(body)]:
        if body[start : start + size]:
            yield body[start : start + size]
        start += size


def files_in(body: bytes, sizes: list[int] | None = None, *, boundary: str = BOUNDARY, max_files: int = 99) -> Files:
    async def read() -> Files:
        files: Files = []
        async for event in file_events(boundary, pieces(body, sizes or []), max_files=max_files):
            if isinstance(event, str):
                files.append((event, b""))
            elif event is not None:
                files[-1] = (files[-1][0], files[-1][1] + event)
        return files

    return asyncio.run(read())


@given(
    files=st.lists(st.tuples(names, st.binary(max_size=60)), max_size=4),
    sizes=st.lists(st.integers(1, 40), max_size=20),
)
def test_files_come_out_as_they_went_in(files: Files, sizes: list[int]) -> None:
    fields = [("note", (None, b"ignored")), *(("file", file) for file in files), ("other", ("x.jpg", b"ignored"))]
    request = httpx.Request("POST", "http://gateway", files=fields)
    boundary = boundary_of(request.headers["content-type"])
    assert files_in(request.read(), sizes, boundary=boundary) == files


def test_a_name_that_is_not_utf_8_is_a_name() -> None:
    body = HEAD.replace(b"a.jpg", b"caf\xe9.jpg") + b"\r\nx\r\n--b0undary--"
    assert files_in(body) == [("caf\ufffd.jpg", b"x")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        HEAD,
        HEAD + b"\r\nthe end is missing",
        HEAD + b"\r\nx\r\n--b0undary",
        HEAD + b"\r\nx\r\n--otherboundary--",
        HEAD + b"X: " + b"y" * 10_000 + b"\r\n\r\nx\r\n--b0undary--",
        HEAD + b"X: y\r\n" * 100 + b"\r\nx\r\n--b0undary--",
        HEAD + b"Content-Length: 3\r\n\r\nx\r\n--b0undary--",
        HEAD + b"no header\r\n\r\nx\r\n--b0undary--",
        HEAD.replace(b'; filename="a.jpg"', b"") + b"\r\nx\r\n--b0undary--",
        HEAD.replace(b"form-data", b"attachment") + b"\r\nx\r\n--b0undary--",
        (HEAD + b"\r\nx\r\n") * 200 + b"--b0undary--",
    ],
    ids=[
        "nothing", "no form", "head only", "no end", "half an end", "another boundary", "a huge header",
        "many headers", "a wrong length", "no header", "no file name", "no form data", "many files",
    ],
)  # fmt: skip
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        files_in(body)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", 422),
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ('multipart/form-data; boundary=""', 400),
        ("multipart/form-data; boundary=" + "x" * 300, 400),
    ],
)
def test_a_content_type_that_announces_no_form_is_refused(content_type: str, status: int) -> None:
    with pytest.raises(Problem) as refused:
        boundary_of(content_type)
    assert refused.value.status == status


def test_a_boundary_may_be_quoted() -> None:
    assert boundary_of('Multipart/Form-Data; charset=utf-8; Boundary="a b"') == "a b"
