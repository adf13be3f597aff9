"""Files sent to jobs of a real API server, through the real gateway: what is acknowledged is what a run finds."""

import asyncio
import hashlib
import io
import os
import socket
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from tusclient.client import TusClient

from tests.integration.conftest import until
from tests.integration.gateway.conftest import Gateway, run_gateway
from tests.integration.gateway.jobs import COLLECTION, JobResource
from tests.integration.gateway.rights import VIEWING, Account, bearer
from tests.integration.gateway.senders import BODY, TUS, UploadJob, begin, metadata, offset, patch, problem
from tools.cluster.controlplane import ControlPlane

NO_CHOICE = b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--b--\r\n'
"""What a browser sends of a form in which no file was chosen."""
BIG = os.urandom((9 << 20) + 1)
"""More than two parts."""


@pytest.fixture
def client(gateway: Gateway, credentials: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.public, headers=credentials, timeout=60) as session:
        yield session


@pytest.fixture
def upload_job(api: httpx.Client) -> Iterator[UploadJob]:
    made = UploadJob.make(api)
    yield made
    made.delete()


# Whole in a form.


def test_the_files_of_a_form_are_one_revision(client: httpx.Client, upload_job: UploadJob, gateway: Gateway) -> None:
    files = [("file", ("a.jpg", b"first")), ("file", ("süd/b.mp4", BIG)), ("note", (None, b"x")), ("file", ("c", b""))]
    before = datetime.now(UTC) - timedelta(seconds=1)
    answer = client.post(f"/process/{upload_job.id}", files=files)
    assert (answer.status_code, answer.json()) == (200, {"message": "Job queued for processing"})
    assert upload_job.revision == 1
    assert before <= upload_job.received_at <= datetime.now(UTC)
    assert upload_job.contents(gateway.folder) == {"a.jpg": b"first", "süd/b.mp4": BIG, "c": b""}
    assert [path.name for path in upload_job.folder(gateway.folder).glob("open/*")] == []
    assert client.get(f"/job/{upload_job.id}").json()["status"] == "processing"


def test_files_posted_one_by_one_are_all_kept(client: httpx.Client, upload_job: UploadJob, gateway: Gateway) -> None:
    sent = {f"{number}.jpg": os.urandom(100) for number in range(20)}
    for name, body in sent.items():
        client.post(f"/process/{upload_job.id}", files={"file": (name, body)}).raise_for_status()
    assert upload_job.contents(gateway.folder) == sent
    assert upload_job.revision == len(sent)


async def test_files_posted_at_once_share_revisions(
    upload_job: UploadJob, gateway: Gateway, credentials: dict[str, str]
) -> None:
    sent = {f"{number}.jpg": os.urandom(100) for number in range(40)}
    async with httpx.AsyncClient(base_url=gateway.public, headers=credentials, timeout=60) as session:
        posts = (session.post(f"/process/{upload_job.id}", files={"file": file}) for file in sent.items())
        answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {200}
    assert upload_job.contents(gateway.folder) == sent
    assert upload_job.revision < len(sent) / 2


def test_files_for_a_suspended_job_wait_in_it(client: httpx.Client, api: httpx.Client, gateway: Gateway) -> None:
    job = UploadJob.make(api, suspend=True)
    client.post(f"/process/{job.id}", files={"file": ("a.jpg", b"a")}).raise_for_status()
    assert (job.revision, job.contents(gateway.folder)) == (1, {"a.jpg": b"a"})
    job.delete()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ({}, 422, "file"),
        ({"files": {"photo": ("a.jpg", b"a")}}, 422, "'file'"),
        ({"content": NO_CHOICE, "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 422, "'file'"),
        ({"json": {}}, 415, "multipart/form-data"),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400, "form"),
        ({"files": {"file": (None, b"a")}}, 400, "file name"),
    ],
    ids=["nothing", "another field", "no file chosen", "json", "no boundary", "no form", "no file name"],
)
def test_what_is_no_form_with_files_is_refused(  # noqa: PLR0917 - cases and fixtures
    client: httpx.Client, upload_job: UploadJob, gateway: Gateway, arguments: dict[str, object], status: int, says: str
) -> None:
    answer = client.post(f"/process/{upload_job.id}", **arguments)  # type: ignore[arg-type]
    assert says in problem(answer, status)
    assert (upload_job.revision, upload_job.leftovers(gateway.folder)) == (0, [])


def form_head(upload_job: UploadJob, credentials: dict[str, str], **headers: str) -> bytes:
    sent = {"Host": "gateway", "Content-Type": "multipart/form-data; boundary=b", **credentials, **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"POST /process/{upload_job.id} HTTP/1.1\r\n{lines}\r\n".encode()


FIRST_FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\nwhole\r\n'
SECOND_FILE = FIRST_FILE.replace(b"whole\r\n", BIG[: 5 << 20])


def test_of_a_form_that_breaks_off_nothing_is_kept(
    upload_job: UploadJob, gateway: Gateway, credentials: dict[str, str]
) -> None:
    folder = upload_job.folder(gateway.folder)
    url = httpx.URL(gateway.public)
    with socket.create_connection((url.host, url.port or 80)) as connection:
        head = form_head(upload_job, credentials, **{"Content-Length": "1000000000"})
        connection.sendall(head + FIRST_FILE + SECOND_FILE)
        until(lambda: len([*folder.glob("files/*/parts/*-*")]) == 2, "both files to begin to be stored")
    until(lambda: upload_job.leftovers(gateway.folder) == [], "what was stored to go")
    assert upload_job.revision == 0


# Resumably.


@pytest.mark.parametrize("chunk", [1 << 20, 5_000_000, 1 << 40])
def test_tuspy_uploads(gateway: Gateway, credentials: dict[str, str], upload_job: UploadJob, chunk: int) -> None:
    sender = TusClient(gateway.public + upload_job.uploads, headers=credentials)
    uploader = sender.uploader(file_stream=io.BytesIO(BIG), chunk_size=chunk, metadata={"filename": "süd/a.mp4"})
    uploader.upload()
    assert upload_job.contents(gateway.folder) == {"süd/a.mp4": BIG}
    assert upload_job.revision == 1


def test_tuspy_uploads_with_checksums(gateway: Gateway, credentials: dict[str, str], upload_job: UploadJob) -> None:
    sender = TusClient(gateway.public + upload_job.uploads, headers=credentials)
    sender.uploader(file_stream=io.BytesIO(BIG), chunk_size=4 << 20, upload_checksum=True).upload()
    assert upload_job.contents(gateway.folder) == {"file": BIG}


def test_an_upload_says_how_far_it_is_before_and_after_its_end(
    client: httpx.Client, upload_job: UploadJob, gateway: Gateway
) -> None:
    address = begin(client, upload_job, 10)
    expires = parsedate_to_datetime(client.head(address, headers=TUS).headers["Upload-Expires"])
    assert timedelta(hours=23) < expires - datetime.now(UTC) <= timedelta(hours=24)
    assert offset(client, address) == 0
    assert patch(client, address, 0, b"01234").headers["Upload-Offset"] == "5"
    assert (offset(client, address), upload_job.revision) == (5, 0)
    assert patch(client, address, 5, b"56789").status_code == 204
    for _ in range(2):
        answer = client.head(address, headers=TUS)
        shown = [answer.headers[name] for name in ("Upload-Offset", "Upload-Length", "Upload-Metadata")]
        assert shown == ["10", "10", metadata("a.jpg")["Upload-Metadata"]]
        assert answer.headers["Cache-Control"] == "no-store"
    assert patch(client, address, 10, b"").status_code == 204
    assert (upload_job.revision, upload_job.contents(gateway.folder)) == (1, {"a.jpg": b"0123456789"})


def test_an_upload_may_begin_with_its_creation(client: httpx.Client, upload_job: UploadJob, gateway: Gateway) -> None:
    headers = {**BODY, **metadata("a.jpg"), "Upload-Length": "10"}
    answer = client.post(upload_job.uploads, content=b"01234", headers=headers)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "5")
    assert patch(client, str(answer.url.join(answer.headers["Location"])), 5, b"56789").status_code == 204
    assert upload_job.contents(gateway.folder) == {"a.jpg": b"0123456789"}


def test_an_empty_file_is_whole_when_it_is_begun(client: httpx.Client, upload_job: UploadJob, gateway: Gateway) -> None:
    address = begin(client, upload_job, 0)
    assert (upload_job.revision, upload_job.contents(gateway.folder)) == (1, {"a.jpg": b""})
    assert offset(client, address) == 0
    assert upload_job.revision == 1


def test_an_upload_that_is_given_up_leaves_nothing(
    client: httpx.Client, upload_job: UploadJob, gateway: Gateway
) -> None:
    address = begin(client, upload_job, len(BIG))
    patch(client, address, 0, BIG[: 5 << 20])
    assert client.delete(address, headers=TUS).status_code == 204
    assert client.head(address, headers=TUS).status_code == 410
    assert "given up" in problem(patch(client, address, 5 << 20, b"x"), 410)
    assert [path for path in upload_job.leftovers(gateway.folder) if "outcome" not in path] == []


def test_a_file_that_has_arrived_cannot_be_given_up(
    client: httpx.Client, upload_job: UploadJob, gateway: Gateway
) -> None:
    address = begin(client, upload_job, 1)
    patch(client, address, 0, b"x")
    assert "belongs to its job" in problem(client.delete(address, headers=TUS), 409)
    assert upload_job.contents(gateway.folder) == {"a.jpg": b"x"}


def test_a_wrong_offset_is_told_the_right_one(client: httpx.Client, upload_job: UploadJob) -> None:
    address = begin(client, upload_job, 10)
    patch(client, address, 0, b"01234")
    for wrong in (0, 4, 6, 10):
        answer = patch(client, address, wrong, b"x")
        assert "5 bytes" in problem(answer, 409)
        assert answer.headers["Upload-Offset"] == "5"
    assert offset(client, address) == 5


def test_bytes_that_do_not_match_their_checksum_are_not_kept(client: httpx.Client, upload_job: UploadJob) -> None:
    address = begin(client, upload_job, 10)
    checksum = f"sha256 {b64encode(hashlib.sha256(b'right').digest()).decode()}"
    answer = patch(client, address, 0, b"wrong", {"Upload-Checksum": checksum})
    assert "Upload-Checksum" in problem(answer, 460)
    assert offset(client, address) == 0
    assert patch(client, address, 0, b"right", {"Upload-Checksum": checksum}).status_code == 204


@pytest.mark.parametrize(
    ("method", "below", "headers", "status", "says"),
    [
        ("POST", "", {"Tus-Resumable": "0.2.2"}, 412, "1.0.0"),
        ("POST", "", {"Tus-Resumable": ""}, 412, "1.0.0"),
        ("POST", "", {}, 400, "Upload-Length"),
        ("POST", "", {"Upload-Length": "-1"}, 400, "Upload-Length"),
        ("POST", "", {"Upload-Length": "1", "Upload-Metadata": "filename !"}, 400, "Upload-Metadata"),
        ("POST", "", {"Upload-Defer-Length": "1"}, 400, "Upload-Length"),
        ("POST", "", {"Upload-Length": "1", "Upload-Concat": "partial"}, 400, "one upload"),
        ("POST", "", {"Upload-Length": "999999999999"}, 413, "MAX_FILE_BYTES"),
        ("PATCH", "/" + "0" * 32, {"Upload-Offset": "0", "Content-Type": BODY["Content-Type"]}, 404, "POST"),
        ("PATCH", "/x", {"Upload-Offset": "0", "Content-Type": BODY["Content-Type"]}, 404, "POST"),
        ("PATCH", "/x", {"Upload-Offset": "0"}, 415, BODY["Content-Type"]),
        ("PATCH", "/x", {"Content-Type": BODY["Content-Type"]}, 400, "Upload-Offset"),
        ("DELETE", "/" + "0" * 32, {}, 404, "POST"),
    ],
)
def test_tus_refusals_say_why(  # noqa: PLR0917 - cases and fixtures
    client: httpx.Client,
    upload_job: UploadJob,
    method: str,
    below: str,
    headers: dict[str, str],
    status: int,
    says: str,
) -> None:
    answer = client.request(method, upload_job.uploads + below, headers={**TUS, **headers})
    assert says in problem(answer, status)
    assert answer.headers["Tus-Resumable"] == "1.0.0"


def test_options_say_what_is_supported(gateway: Gateway, upload_job: UploadJob) -> None:
    answer = httpx.options(gateway.public + upload_job.uploads)
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert set(answer.headers["Tus-Extension"].split(",")) == {
        "creation", "creation-with-upload", "termination", "expiration", "checksum"
    }  # fmt: skip
    assert int(answer.headers["Tus-Max-Size"]) > 0


# Who may, and what jobs take.


def test_nobody_sends_without_the_right_to(
    api: httpx.Client, client: httpx.Client, gateway: Gateway, upload_job: UploadJob
) -> None:
    address = begin(client, upload_job, 10)
    viewer = bearer(Account.make(api).may(VIEWING, "a").token())
    stranger = bearer(Account.make(api).token())
    form = {"files": {"file": ("a.jpg", b"a")}}
    for credentials, status in (({}, 401), (viewer, 403), (stranger, 404)):
        with httpx.Client(base_url=gateway.public, headers=credentials) as session:
            answers = [
                session.post(f"/process/{upload_job.id}", **form),  # type: ignore[arg-type]
                session.post(upload_job.uploads, headers={**TUS, "Upload-Length": "1"}),
                session.head(address, headers=TUS),
                patch(session, address, 0, b"x"),
                session.delete(address, headers=TUS),
            ]
            assert [answer.status_code for answer in answers] == [status] * 5
    assert (upload_job.revision, offset(client, address)) == (0, 0)


def test_a_job_with_another_source_takes_no_files(client: httpx.Client, job: JobResource) -> None:
    form = client.post(f"/process/a.{job.name}", files={"file": ("a.jpg", b"a")})
    assert "source" in problem(form, 409)
    resumable = client.post(f"/jobs/a.{job.name}/uploads", headers={**TUS, "Upload-Length": "1"})
    assert "source.urls" in problem(resumable, 409)


def test_a_job_that_is_being_deleted_takes_no_files(client: httpx.Client, api: httpx.Client) -> None:
    job = UploadJob.make(api)
    path = f"{COLLECTION}/{job.name}"
    merge = {"Content-Type": "application/merge-patch+json"}
    api.patch(path, json={"metadata": {"finalizers": ["example.com/wait"]}}, headers=merge)
    address = begin(client, job, 1)
    job.delete()
    until(lambda: patch(client, address, 0, b"").status_code == 409, "the gateway to see the deletion")
    answer = client.post(f"/process/{job.id}", files={"file": ("a.jpg", b"a")})
    assert "being deleted" in problem(answer, 409)
    api.patch(path, json={"metadata": {"finalizers": []}}, headers=merge)


def test_a_job_that_is_not_there_takes_no_files(client: httpx.Client) -> None:
    for job_id in ("a.nothing", "x..y", "%2e%2e", "A"):
        answer = client.post(f"/jobs/{job_id}/uploads", headers={**TUS, "Upload-Length": "1"})
        assert answer.status_code == 404


def test_a_job_deleted_while_a_file_arrives_is_not_found(client: httpx.Client, api: httpx.Client) -> None:
    job = UploadJob.make(api)
    address = begin(client, job, 2)
    patch(client, address, 0, b"0")

    def last() -> Iterator[bytes]:
        job.delete()
        yield b"1"

    assert patch(client, address, 1, last()).status_code == 404


# Limits.


@pytest.fixture(scope="module")
def narrow(
    control_plane: ControlPlane, api: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with little room."""
    del api  # only for its order
    settings = {
        "MAX_FILE_BYTES": "1000",
        "MAX_FILES": "3",
        "MAX_JOB_BYTES": "1500",
        "MAX_CONCURRENT_UPLOADS": "2",
        "IDLE_SECONDS": "1",
    }
    folder = tmp_path_factory.mktemp("narrow")
    with run_gateway(kubeconfig=control_plane.kubeconfig, folder=folder, settings=settings) as running:
        yield running


@pytest.fixture
def narrow_client(narrow: Gateway, credentials: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=narrow.public, headers=credentials, timeout=60) as session:
        yield session


def test_what_is_too_large_is_refused_and_not_kept(
    narrow_client: httpx.Client, upload_job: UploadJob, narrow: Gateway
) -> None:
    def post(*sizes: int) -> httpx.Response:
        files = [("file", ("a.jpg", bytes(size))) for size in sizes]
        return narrow_client.post(f"/process/{upload_job.id}", files=files)

    def announce(length: int) -> httpx.Response:
        return narrow_client.post(upload_job.uploads, headers={**TUS, "Upload-Length": str(length)})

    assert "POINTCLOUD_MAX_FILE_BYTES" in problem(post(1001), 413)
    assert "POINTCLOUD_MAX_FILE_BYTES" in problem(announce(1001), 413)
    assert "POINTCLOUD_MAX_JOB_BYTES" in problem(post(600, 600, 600), 413)
    assert "POINTCLOUD_MAX_FILES" in problem(post(1, 1, 1, 1), 413)
    assert (upload_job.revision, upload_job.leftovers(narrow.folder)) == (0, [])
    assert post(1000).status_code == 200
    assert announce(400).status_code == 201
    assert "POINTCLOUD_MAX_JOB_BYTES" in problem(announce(200), 413)
    assert "POINTCLOUD_MAX_JOB_BYTES" in problem(post(200), 413)
    assert announce(0).status_code == 201
    assert "POINTCLOUD_MAX_FILES" in problem(announce(0), 413)
    assert "POINTCLOUD_MAX_FILES" in problem(post(1), 413)


def test_more_bytes_than_announced_are_refused(client: httpx.Client, upload_job: UploadJob) -> None:
    address = begin(client, upload_job, 10)
    assert "announced with 10 bytes" in problem(patch(client, address, 0, bytes(11)), 413)
    assert "announced with 10 bytes" in problem(patch(client, address, 0, iter([bytes(6)] * 2)), 413)
    assert upload_job.revision == 0


def test_a_silent_sender_keeps_what_was_sent_resumably_and_nothing_of_a_form(
    narrow_client: httpx.Client, upload_job: UploadJob, narrow: Gateway, credentials: dict[str, str]
) -> None:
    address = begin(narrow_client, upload_job, 10)
    url = httpx.URL(address)
    resumable = "".join(
        f"{name}: {value}\r\n"
        for name, value in {**BODY, **credentials, "Host": "x", "Upload-Offset": "0", "Content-Length": "9"}.items()
    )
    head = f"PATCH {url.path} HTTP/1.1\r\n{resumable}\r\n".encode()
    for request in (head + b"0123", form_head(upload_job, credentials, **{"Content-Length": "900"}) + FIRST_FILE):
        with socket.create_connection((url.host, url.port or 80)) as connection:
            connection.sendall(request)
            answer = connection.makefile("rb").read().decode()
        assert answer.startswith("HTTP/1.1 408 ")
        assert "Nothing has come for 1 seconds" in answer
    assert offset(narrow_client, address) == 4
    assert [path for path in upload_job.leftovers(narrow.folder) if httpx.URL(address).path[-32:] not in path] == []
    assert upload_job.revision == 0


def test_too_many_uploads_at_once_are_told_to_wait(
    narrow_client: httpx.Client, upload_job: UploadJob, narrow: Gateway, credentials: dict[str, str]
) -> None:
    url = httpx.URL(narrow.public)
    connections = [socket.create_connection((url.host, url.port or 80)) for _ in range(2)]
    for connection in connections:
        connection.sendall(form_head(upload_job, credentials, **{"Content-Length": "900"}) + FIRST_FILE)

    def busy() -> httpx.Response | None:
        answer = narrow_client.post(f"/process/{upload_job.id}", files={"file": ("a.jpg", b"")})
        return answer if answer.status_code == 503 else None

    answer = until(busy, "both places to be taken")
    assert "POINTCLOUD_MAX_CONCURRENT_UPLOADS" in problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    for connection in connections:
        connection.close()


def test_what_does_not_fit_on_the_volume_is_refused_before_it_is_sent(
    control_plane: ControlPlane, upload_job: UploadJob, credentials: dict[str, str], tmp_path: Path
) -> None:
    petabyte = "9" * 15
    settings = {"MAX_FILE_BYTES": petabyte, "MAX_JOB_BYTES": petabyte}
    with run_gateway(kubeconfig=control_plane.kubeconfig, folder=tmp_path / "store", settings=settings) as vast:
        announced = {**credentials, **TUS, "Upload-Length": petabyte}
        assert "full" in problem(httpx.post(vast.public + upload_job.uploads, headers=announced), 507)
        url = httpx.URL(vast.public)
        with socket.create_connection((url.host, url.port or 80)) as connection:
            connection.sendall(
                form_head(upload_job, credentials, **{"Content-Length": petabyte, "Connection": "close"})
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 507 ")
        assert upload_job.leftovers(vast.folder) == []


def test_a_crash_between_any_two_writes_of_the_end_is_made_good(
    client: httpx.Client, upload_job: UploadJob, gateway: Gateway
) -> None:
    """The states that a killed process leaves are put into the store by hand."""
    address = begin(client, upload_job, 3)
    upload_id = address[-32:]
    folder = upload_job.folder(gateway.folder)
    announcement = (folder / "open" / f"{upload_id}.json").read_bytes()
    patch(client, address, 0, b"abc")
    (record,) = (folder / "records").iterdir()

    def crashed(*, recorded: bool, decided: bool) -> None:
        (folder / "open" / f"{upload_id}.json").write_bytes(announcement)
        if not recorded:
            record.unlink(missing_ok=True)
        if not decided:
            (folder / "files" / upload_id / "outcome.json").unlink()

    crashed(recorded=True, decided=True)
    assert (offset(client, address), upload_job.revision) == (3, 1), "it was recorded, and is not recorded again"
    assert not [*folder.glob("open/*")]
    for decided, revision in ((True, 2), (False, 3)):
        crashed(recorded=False, decided=decided)
        assert (offset(client, address), upload_job.revision) == (3, revision)
        assert upload_job.contents(gateway.folder) == {"a.jpg": b"abc"}
        (record,) = (folder / "records").iterdir()


def test_paths_are_never_made_of_what_senders_say(
    client: httpx.Client, upload_job: UploadJob, gateway: Gateway
) -> None:
    before = {*gateway.folder.parent.rglob("*")}
    hostile = "../../../../evil\x1b[2J.jpg"
    answer = client.post(f"/process/{upload_job.id}", files={"file": (hostile, b"a")})
    assert answer.status_code == 200
    patch(client, begin(client, upload_job, 1, name=hostile), 0, b"b")
    assert {file.name for file in upload_job.received(gateway.folder)} == {"evil_[2J.jpg"}
    made = {*gateway.folder.parent.rglob("*")} - before
    assert not [path for path in made if "evil" in path.name]
    assert all(path.is_relative_to(Path(gateway.folder)) or "db" in path.name for path in made)
