"""Server-sent events: what happens to a job arrives, once, and goes on where it broke off."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.integration.conftest import until
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.rest import Event, RestJob, events
from tests.integration.gateway.rights import EDITING, RBAC, VIEWING, Account, bearer


@contextmanager
def following(client: httpx.Client, path: str, known: str = "", **query: Any) -> Iterator[Iterator[Event]]:
    headers = {"Last-Event-ID": known} if known else {}
    with client.stream("GET", path, headers=headers, params=query) as response:
        assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
        yield events(response)


def test_a_job_is_followed_to_its_end(client: httpx.Client, rest_job: RestJob) -> None:
    with following(client, f"{rest_job.path}/events") as stream:
        first = next(stream)
        assert (first.name, first.data, first.id) == ("job", rest_job.document, rest_job.version)
        rest_job.set_status(phase="Running", stage="ingest", progress={"percent": 5, "message": "download: 1 of 3"})
        second = next(stream)
        assert (second.data["status"], second.data["progress"]["percent"]) == ("processing", 5)
        assert second.id == rest_job.version
        rest_job.succeed()
        last = next(stream)
        assert last.data["status"] == "completed"
        assert last.data["potree_url"] == f"http://localhost:8080/potree/a/{rest_job.name}/"
        assert list(stream) == []  # the stream has ended
    ended = client.get(f"{rest_job.path}/events", headers={"Last-Event-ID": last.id or ""})
    assert (ended.status_code, ended.content) == (204, b"")


def test_what_has_arrived_is_not_repeated_and_what_was_missed_comes_first(
    client: httpx.Client, rest_job: RestJob
) -> None:
    with following(client, f"{rest_job.path}/events") as stream:
        known = next(stream).id or ""
    with following(client, f"{rest_job.path}/events", known) as stream:
        rest_job.set_status(phase="Running", stage="ingest")
        assert next(stream).data["phase"] == "Running"
    rest_job.set_status(phase="Running", stage="convert")
    until(lambda: rest_job.document["stage"] == "convert", "the news to arrive")
    with following(client, f"{rest_job.path}/events", known) as stream:
        assert next(stream).data["stage"] == "convert"


def test_the_stream_of_a_deleted_job_says_so_and_ends(client: httpx.Client, rest_job: RestJob) -> None:
    with following(client, f"{rest_job.path}/events") as stream:
        next(stream)
        client.delete(rest_job.path).raise_for_status()
        told = list(stream)
    assert [(event.name, event.data) for event in told] == [("deleted", {"id": rest_job.name})]
    assert client.get(f"{rest_job.path}/events").status_code == 404


def test_an_archived_job_is_one_event(client: httpx.Client, rest_job: RestJob) -> None:
    rest_job.succeed()
    until(lambda: rest_job.document["status"] == "completed", "the job to be completed")
    rest_job.delete()
    rest_job.wait_until_archived()
    with following(client, f"{rest_job.path}/events") as stream:
        (only,) = stream
    assert only.data["archived"] is True
    assert client.get(f"{rest_job.path}/events", headers={"Last-Event-ID": only.id or ""}).status_code == 204


def test_a_file_for_a_finished_job_is_followed_again(client: httpx.Client, rest_job: RestJob) -> None:
    rest_job.succeed()
    until(lambda: rest_job.document["status"] == "completed", "the job to be completed")
    client.post(f"/process/{rest_job.name}", files={"file": b"x"}).raise_for_status()
    with following(client, f"{rest_job.path}/events") as stream:
        assert next(stream).data["status"] == "processing"
        rest_job.succeed()
        assert next(stream).data["status"] == "completed"


# All jobs.


def of(stream: Iterator[Event], job: RestJob) -> Event:
    """The next event about a job, or of all present ones, whichever comes first."""
    return next(
        event
        for event in stream
        if event.name == "present" or job.name in {event.data.get("id"), event.data.get("name")}
    )


def test_all_jobs_are_followed_and_what_was_missed_is_told(client: httpx.Client, api: httpx.Client) -> None:
    kept, gone, new = (RestJob.make(api, client) for _ in range(3))
    new.delete()
    with following(client, "/events") as stream:
        present = next(stream)
        assert {kept.name, gone.name} <= set(present.data["ids"])
        assert present.name == "present"
        assert of(stream, kept).data["status"] == "pending"
        kept.set_status(phase="Running", stage="ingest")
        known = next(event for event in stream if event.data.get("phase") == "Running").id or ""
    gone.delete()
    new = RestJob.make(api, client)
    gone.wait_until_archived()
    with following(client, "/events", known) as stream:
        present = next(stream)
        assert gone.name not in present.data["ids"]
        assert {kept.name, new.name} <= set(present.data["ids"])
        assert of(stream, new).data["name"] == new.name  # and not `kept`, which has not changed
        new.set_status(phase="Running", stage="ingest")
        assert of(stream, new).data["phase"] == "Running"
        new.delete()
        assert of(stream, new).name == "deleted"
    for job in (kept, gone, new):
        client.delete(job.path)


def test_only_visible_namespaces_are_told_of(api: httpx.Client, rest: Gateway) -> None:
    everywhere = Account.make(api).may(EDITING, "a").may(EDITING, "b")
    only_b = Account.make(api).may(VIEWING, "b")
    with (
        httpx.Client(base_url=rest.public, headers=bearer(everywhere.token())) as wide,
        httpx.Client(base_url=rest.public, headers=bearer(only_b.token())) as narrow,
        following(wide, "/events", namespace="b") as asked_for_b,
        following(narrow, "/events") as seen_in_b,
    ):
        for stream in (asked_for_b, seen_in_b):
            assert next(stream).name == "present"
        made = [wide.post("/jobs", json={"namespace": namespace}).json() for namespace in ("a", "b")]
        for stream in (asked_for_b, seen_in_b):
            assert next(stream).data["id"] == made[1]["id"]
        for job in made:
            wide.delete(f"/jobs/{job['id']}")


def test_a_stream_ends_once_its_reader_may_see_nothing_anymore(
    api: httpx.Client, rest: Gateway, rest_job: RestJob
) -> None:
    account = Account.make(api)
    account.may(VIEWING, "a")
    bindings = api.get(f"{RBAC}/namespaces/a/rolebindings").json()["items"]
    mine = next(b for b in bindings if b.get("subjects") and b["subjects"][0]["name"] == account.username)
    with (
        httpx.Client(base_url=rest.public, headers=bearer(account.token()), timeout=60) as reader,
        following(reader, f"{rest_job.path}/events") as stream,
    ):
        next(stream)
        api.delete(f"{RBAC}/namespaces/a/rolebindings/{mine['metadata']['name']}")
        assert list(stream) == []  # without an end, this would wait for ever


def test_many_readers_of_one_job_are_told_the_same(client: httpx.Client, rest_job: RestJob) -> None:
    told: list[list[Event]] = []
    begun = threading.Barrier(21)

    def read() -> None:
        with following(client, f"{rest_job.path}/events") as stream:
            first = next(stream)
            begun.wait(30)
            told.append([first, *stream])

    readers = [threading.Thread(target=read) for _ in range(20)]
    for reader in readers:
        reader.start()
    begun.wait(30)
    rest_job.succeed()
    for reader in readers:
        reader.join(30)
    assert [events[-1].data["status"] for events in told] == ["completed"] * 20
    assert all(events == told[0] for events in told)


@pytest.mark.parametrize("path", ["/events", "/jobs/nobodys/events"])
def test_strangers_follow_nothing(rest: Gateway, path: str) -> None:
    answer = httpx.get(f"{rest.public}{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


def test_an_id_that_no_event_had_is_as_none(client: httpx.Client, rest_job: RestJob) -> None:
    with following(client, f"{rest_job.path}/events", "nonsense") as stream:
        assert next(stream).name == "job"
    with following(client, "/events", "nonsense") as stream:
        assert rest_job.name in next(stream).data["ids"]
        assert of(stream, rest_job).name == "job"
