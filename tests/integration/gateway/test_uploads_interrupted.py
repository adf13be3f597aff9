"""Gateways that are killed, stopped or several at once: every acknowledged byte is there, and every upload goes on."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from pointcloud_gateway.uploads.parts import PART_BYTES
from tests.integration.conftest import until
from tests.integration.gateway.conftest import Gateway, run_gateway
from tests.integration.gateway.rights import EDITING, Account, bearer
from tests.integration.gateway.senders import BODY, TUS, UploadJob, begin, metadata, offset, patch
from tools.cluster.controlplane import ControlPlane

SENDERS: Final = 50
CHUNK: Final = 100_000
SIZE: Final = 10 * CHUNK + 1


@pytest.fixture(scope="module")
def credentials(api: httpx.Client) -> dict[str, str]:
    return bearer(Account.make(api).may(EDITING, "a").token())


@pytest.fixture
def upload_job(api: httpx.Client) -> Iterator[UploadJob]:
    made = UploadJob.make(api)
    yield made
    made.delete()


@contextlib.contextmanager
def replica(control_plane: ControlPlane, folder: Path, name: str = "store") -> Iterator[Gateway]:
    """A gateway over the store in `folder`, with an archive of its own."""
    settings = {"STORE": (folder / "store").as_uri()}
    with run_gateway(kubeconfig=control_plane.kubeconfig, folder=folder / name, settings=settings) as running:
        yield running


class Sender:
    """Sends one file in chunks, and keeps in mind what was acknowledged."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.content = os.urandom(SIZE)
        self.path = ""
        self.acknowledged = 0

    async def send(self, base: str, job: UploadJob, credentials: dict[str, str]) -> None:
        async with httpx.AsyncClient(base_url=base, headers=credentials, timeout=60) as session:
            if not self.path:
                headers = {**TUS, **metadata(self.name), "Upload-Length": str(SIZE)}
                answer = await session.post(job.uploads, headers=headers)
                assert answer.status_code == 201
                self.path = answer.url.join(answer.headers["Location"]).path
            answer = await session.head(self.path, headers=TUS)
            at = int(answer.headers["Upload-Offset"])
            assert at >= self.acknowledged, "an acknowledged byte is lost"
            while at < SIZE:
                headers = {**BODY, "Upload-Offset": str(at)}
                answer = await session.patch(self.path, content=self.content[at : at + CHUNK], headers=headers)
                assert answer.status_code == 204, answer.text
                at = self.acknowledged = int(answer.headers["Upload-Offset"])


async def test_a_killed_gateway_loses_no_acknowledged_byte(
    control_plane: ControlPlane, upload_job: UploadJob, credentials: dict[str, str], tmp_path: Path
) -> None:
    senders = [Sender(f"{number}.jpg") for number in range(SENDERS)]

    def sending(gateway: Gateway) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(sender.send(gateway.public, upload_job, credentials)) for sender in senders]

    for share in (1, 4):  # of ten
        with replica(control_plane, tmp_path) as gateway:
            tasks = sending(gateway)
            while sum(sender.acknowledged for sender in senders) < SENDERS * SIZE * share // 10:
                await asyncio.wait(tasks, timeout=0.01)
            gateway.process.kill()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(end is None or isinstance(end, httpx.TransportError) for end in ends), ends
    with replica(control_plane, tmp_path) as gateway:
        await asyncio.gather(*sending(gateway))
        sent = {sender.name: sender.content for sender in senders}
        assert upload_job.contents(gateway.folder) == sent
        assert [*upload_job.folder(gateway.folder).glob("open/*")] == []


def test_a_stopped_gateway_keeps_what_has_arrived_and_says_so(
    control_plane: ControlPlane, upload_job: UploadJob, credentials: dict[str, str], tmp_path: Path
) -> None:
    content = os.urandom(PART_BYTES + 1_000_000)
    sent = PART_BYTES + 300_000
    with replica(control_plane, tmp_path) as gateway, httpx.Client(base_url=gateway.public, headers=credentials) as c:
        path = httpx.URL(begin(c, upload_job, len(content))).path
        headers = {**BODY, **credentials, "Upload-Offset": "0"}
        resumable = httpx.Request("PATCH", gateway.public + path, headers=headers, content=content)
        files = [("file", ("b.jpg", b"whole")), ("file", ("c.jpg", content))]
        form = httpx.Request("POST", f"{gateway.public}/process/{upload_job.id}", headers=credentials, files=files)
        connections = [send_part(resumable, sent), send_part(form, sent)]
        folder = upload_job.folder(gateway.folder)
        until(lambda: len([*folder.glob("files/*/parts/*-*")]) >= 3, "parts to be stored")
        gateway.process.send_signal(signal.SIGTERM)
        for connection in connections:
            with connection:
                answer = connection.makefile("rb").read().decode().lower()
            assert answer.startswith("http/1.1 503 ")
            assert "\r\nconnection: close\r\n" in answer
        assert gateway.process.wait(30) == 0
    with replica(control_plane, tmp_path) as gateway, httpx.Client(base_url=gateway.public, headers=credentials) as c:
        kept = offset(c, path)
        assert kept > PART_BYTES, "also what fills no part"
        assert patch(c, path, kept, content[kept:]).status_code == 204
        assert upload_job.contents(gateway.folder) == {"a.jpg": content}
        assert upload_job.leftovers(gateway.folder) == []


def send_part(request: httpx.Request, count: int) -> socket.socket:
    """A connection on which a request has been sent up to so many bytes of its body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    connection = socket.create_connection((request.url.host, request.url.port or 80), timeout=60)
    head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n{lines}\r\n".encode()
    connection.sendall(head + request.read()[:count])
    return connection


async def test_replicas_continue_one_anothers_uploads_and_record_at_once(
    control_plane: ControlPlane, upload_job: UploadJob, credentials: dict[str, str], tmp_path: Path
) -> None:
    content = os.urandom(6 * CHUNK)
    with replica(control_plane, tmp_path, "store") as one, replica(control_plane, tmp_path, "other") as two:
        sessions = [httpx.Client(base_url=each.public, headers=credentials) for each in (one, two)]
        path = httpx.URL(begin(sessions[0], upload_job, len(content))).path
        for start in range(0, len(content), CHUNK):
            session = sessions[(start // CHUNK) % 2]
            assert offset(session, path) == start
            assert patch(session, path, start, content[start : start + CHUNK]).status_code == 204
        for session in sessions:
            session.close()
        posted = {f"{number}.jpg": os.urandom(100) for number in range(40)}
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(
                    httpx.AsyncClient(base_url=each.public, headers=credentials, timeout=60)
                )
                for each in (one, two)
            ]
            posts = (
                clients[number % 2].post(f"/process/{upload_job.id}", files={"file": file})
                for number, file in enumerate(posted.items())
            )
            answers = await asyncio.gather(*posts)
        assert {answer.status_code for answer in answers} == {200}
        assert upload_job.contents(tmp_path / "store") == {"a.jpg": content, **posted}


async def test_a_client_that_reconnects_before_its_connection_is_missed_goes_on(
    gateway: Gateway, upload_job: UploadJob, credentials: dict[str, str]
) -> None:
    content = os.urandom(PART_BYTES + 10)
    gone = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield content[: PART_BYTES + 5]
        await gone.wait()
        yield content[PART_BYTES + 5 :]

    async with httpx.AsyncClient(base_url=gateway.public, headers=credentials, timeout=60) as session:
        answer = await session.post(upload_job.uploads, headers={**TUS, "Upload-Length": str(len(content))})
        path = answer.url.join(answer.headers["Location"]).path
        first = asyncio.create_task(session.patch(path, content=stuck(), headers={**BODY, "Upload-Offset": "0"}))
        while (at := int((await session.head(path, headers=TUS)).headers["Upload-Offset"])) == 0:
            await asyncio.wait([first], timeout=0.01)
        second = await session.patch(path, content=content[at:], headers={**BODY, "Upload-Offset": str(at)})
        assert (at, second.status_code) == (PART_BYTES, 204)
        gone.set()
        assert (await first).status_code == 204
    assert upload_job.contents(gateway.folder) == {"file": content}
    assert upload_job.revision == 1
