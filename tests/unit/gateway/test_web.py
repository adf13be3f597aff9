"""The web page's files: types, caching, packing, and nothing beside them."""

import gzip
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from pointcloud_gateway.web import web_routes

PAGE = "<!doctype html><title>Point clouds</title>" + " " * 500


def served(folder: Path) -> httpx.AsyncClient:
    """A client of the routes of `folder`."""
    transport = httpx.ASGITransport(Starlette(routes=web_routes(folder)))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


@pytest.fixture
def site(tmp_path: Path) -> httpx.AsyncClient:
    """A built page in a folder, with a secret beside the folder."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "docs.html").write_text("<!doctype html>")
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "assets/index-Ab1_c2.js").write_text("start()")
    (folder / "assets/index-Ab1_c2.css").write_text("body {}")
    return served(folder)


@pytest.mark.parametrize(
    ("path", "media_type", "caching"),
    [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/docs", "text/html; charset=utf-8", "no-cache"),
        ("/icon.svg", "image/svg+xml", "no-cache"),
        ("/assets/index-Ab1_c2.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/assets/index-Ab1_c2.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable"),
    ],
)
async def test_each_file_has_its_type_and_what_carries_a_hash_is_kept_for_ever(
    site: httpx.AsyncClient, path: str, media_type: str, caching: str
) -> None:
    answer = await site.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == caching


@pytest.mark.parametrize("path", ["/", "/docs", "/assets/index-Ab1_c2.js"])
async def test_pages_run_scripts_of_their_own_origin_alone_and_are_framed_by_nobody(
    site: httpx.AsyncClient, path: str
) -> None:
    answer = await site.get(path)
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"} <= set(policy)
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in "".join(policy)


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/assets/",
        "/x",
    ],
)
async def test_what_is_not_in_the_folder_is_not_there(site: httpx.AsyncClient, path: str) -> None:
    answer = await site.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.txt", "")


async def test_a_known_file_is_not_sent_again_and_a_changed_one_is(site: httpx.AsyncClient, tmp_path: Path) -> None:
    etag = (await site.get("/")).headers["etag"]
    known = await site.get("/", headers={"If-None-Match": f'"other", {etag}'})
    assert (known.status_code, known.content) == (304, b"")
    (tmp_path / "dist/index.html").write_text("new")
    changed = served(tmp_path / "dist")
    assert (await changed.get("/", headers={"If-None-Match": etag})).text == "new"


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip, br", True), ("GZIP;q=0.5", True), ("", False), ("br", False), ("gzip;q=0", False), ("gzip; q=0.0", False)],
)
async def test_files_are_packed_for_who_takes_that(site: httpx.AsyncClient, accepted: str, *, packed: bool) -> None:
    async with site.stream("GET", "/", headers={"Accept-Encoding": accepted}) as answer:
        body = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(body) if packed else body).decode() == PAGE
    assert answer.headers["content-length"] == str(len(body))
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_a_packed_file_is_another_than_the_plain_one(site: httpx.AsyncClient) -> None:
    answers = [await site.get("/", headers={"Accept-Encoding": coding}) for coding in ("gzip", "identity")]
    assert len({answer.headers["etag"] for answer in answers}) == 2


async def test_head_tells_of_the_file_without_sending_it(site: httpx.AsyncClient) -> None:
    whole, head = await site.get("/"), await site.head("/")
    assert head.content == b""
    assert head.headers == whole.headers


async def test_without_a_build_the_page_says_how_to_make_it(tmp_path: Path) -> None:
    site = served(tmp_path / "nowhere")
    for path in ("/", "/docs"):
        answer = await site.get(path)
        assert answer.status_code == 503
        assert "POINTCLOUD_WEB" in answer.text
