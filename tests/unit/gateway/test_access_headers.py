"""What every answer tells browsers, and which pages may read it."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pointcloud_gateway.access.headers import CrossOrigin, SecurityHeaders

FRIEND = "https://friend.example"


async def plain(_: Request) -> Response:
    return PlainTextResponse("ok")


async def opinionated(_: Request) -> Response:
    return PlainTextResponse("ok", headers={"Content-Security-Policy": "sandbox", "Cache-Control": "public"})


async def ask(path: str, *, origins: tuple[str, ...] = ("*",), scheme: str = "http", **request: str) -> httpx.Response:
    app = Starlette(
        routes=[Route("/plain", plain), Route("/opinionated", opinionated), Route("/potree/{path:path}", plain)]
    )
    guarded = SecurityHeaders(CrossOrigin(app, origins=origins, open_prefixes=("/potree/",)))
    headers = {name.replace("_", "-"): value for name, value in request.items() if name != "method"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url=f"{scheme}://gateway") as client:
        return await client.request(request.get("method", "GET"), path, headers=headers)


@pytest.mark.parametrize("path", ["/plain", "/missing"])
async def test_an_answer_is_data_that_no_page_embeds_and_nobody_keeps(path: str) -> None:
    headers = (await ask(path)).headers
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


async def test_what_an_answer_says_itself_stays() -> None:
    headers = (await ask("/opinionated")).headers
    assert (headers["content-security-policy"], headers["cache-control"]) == ("sandbox", "public")
    assert headers["x-content-type-options"] == "nosniff"


async def test_https_stays_https_and_http_promises_nothing() -> None:
    assert "strict-transport-security" not in (await ask("/plain")).headers
    assert (await ask("/plain", scheme="https")).headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "HEAD"])
async def test_a_page_of_an_allowed_origin_may_use_the_service(method: str) -> None:
    preflight = await ask(
        "/plain",
        origins=(FRIEND,),
        method="OPTIONS",
        origin=FRIEND,
        access_control_request_method=method,
        access_control_request_headers="authorization,content-type,tus-resumable,upload-length,upload-metadata,"
        "upload-offset,last-event-id,x-requested-with",
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == FRIEND
    answer = await ask("/plain", origins=(FRIEND,), origin=FRIEND)
    assert answer.headers["access-control-allow-origin"] == FRIEND
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed >= {
        "location",
        "upload-offset",
        "upload-length",
        "tus-version",
        "tus-max-size",
        "retry-after",
        "etag",
    }


async def test_a_page_of_another_origin_may_not() -> None:
    for stranger in ("https://friend.example.evil.example", "null", "http://friend.example"):
        assert "access-control-allow-origin" not in (await ask("/plain", origins=(FRIEND,), origin=stranger)).headers
        preflight = await ask(
            "/plain", origins=(FRIEND,), method="OPTIONS", origin=stranger, access_control_request_method="GET"
        )
        assert preflight.status_code == 400


async def test_no_page_is_ever_given_the_browsers_own_credentials() -> None:
    for path in ("/plain", "/potree/a"):
        answer = await ask(path, origin=FRIEND, cookie="a=b")
        assert "access-control-allow-credentials" not in answer.headers


async def test_point_clouds_are_open_to_pages_without_an_origin_whatever_the_service_allows() -> None:
    answer = await ask("/potree/a/wall/octree.bin", origins=(FRIEND,), origin="null")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "content-range" in answer.headers["access-control-expose-headers"].lower()
    preflight = await ask(
        "/potree/a/wall/octree.bin",
        origins=(FRIEND,),
        method="OPTIONS",
        origin="null",
        access_control_request_method="GET",
        access_control_request_headers="range,content-type",
    )
    assert preflight.status_code == 200
