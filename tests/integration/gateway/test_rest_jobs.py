"""Creating, finding, steering and deleting jobs over REST, beside a real API server."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from pointcloud_api.names import REQUESTED_BY_ANNOTATION, StageName
from tests.integration.conftest import until
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.jobs import COLLECTION
from tests.integration.gateway.rest import RestJob
from tests.integration.gateway.rights import EDITING, RBAC, VIEWING, Account, bearer

Headers = dict[str, str]


def problem(answer: httpx.Response, status: int) -> Any:
    """The problem document of an answer."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    document = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document


# Create.


def test_a_job_without_anything_waits_for_files_under_a_name_made_up(client: httpx.Client, api: httpx.Client) -> None:
    answer = client.post("/jobs", json={})
    job = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/jobs/{job['id']}")
    assert job["name"].startswith("pointcloud-")
    assert (job["status"], job["settings"]["source"], job["upload_revision"]) == ("pending", "upload", None)
    resource = api.get(f"{COLLECTION}/{job['name']}").json()
    assert resource["spec"]["source"] == {"upload": {}, "video": {"framesPerSecond": 2, "maxFrames": 150}}
    assert resource["metadata"]["annotations"][REQUESTED_BY_ANNOTATION] == job["owner"]
    assert client.get(answer.headers["location"]).json() == job
    client.delete(f"/jobs/{job['id']}").raise_for_status()


def test_what_is_asked_for_is_what_the_cluster_gets(client: httpx.Client, api: httpx.Client) -> None:
    spec = {
        "source": {"urls": ["https://example.com/photos.zip"]},
        "reconstruction": {"quality": "high"},
        "pointcloud": {"encoding": "uncompressed"},
        "stages": {"convert": {"resources": {"limits": {"memory": "4Gi"}}}},
        "output": {"deletionPolicy": "Delete"},
    }
    job = client.post("/jobs", json={"name": "asked", "namespace": "a", "spec": spec}).json()
    resource = api.get(f"{COLLECTION}/asked").json()
    assert resource["spec"]["stages"] == spec["stages"]
    assert resource["spec"]["output"] == spec["output"]
    assert job["settings"] == {
        "source": "urls",
        "quality": "high",
        "encoding": "uncompressed",
        "device": "auto",
        "deletion_policy": "Delete",
    }
    client.delete("/jobs/asked").raise_for_status()


UPLOAD: dict[str, Any] = {"source": {"upload": {}}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Upper"}, "body.name"),
        ({"name": "x" * 38}, "body.name"),
        ({"nmae": "x"}, "body.nmae"),
        ({"spec": {}}, "body.spec.source"),
        ({"spec": {**UPLOAD, "reconstrution": {}}}, "body.spec.reconstrution"),
        ({"spec": {**UPLOAD, "reconstruction": {"quality": "best"}}}, "body.spec.reconstruction.quality"),
        ({"spec": {"source": {"urls": []}}}, "body.spec.source.urls"),
        ([], "body"),
    ],
)
def test_what_cannot_be_so_is_named(client: httpx.Client, body: Any, field: str) -> None:
    errors = problem(client.post("/jobs", json=body), 422)["errors"]
    assert [error["field"] for error in errors] == [field]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"source": {}}, "name exactly one source"),
        ({"source": {"urls": ["ftp://example.com/a.zip"]}}, "a source URL starts with http"),
        ({"source": {"upload": {"revision": 3}}}, "leave it out"),
        ({**UPLOAD, "stages": {"convert": {"resources": {"limits": {"memory": "much"}}}}}, "a resource is a quantity"),
    ],
)
def test_the_clusters_own_rules_are_told(client: httpx.Client, spec: Any, says: str) -> None:
    assert says in problem(client.post("/jobs", json={"spec": spec}), 422)["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b""])
def test_what_is_no_json_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    problem(answer, answer.status_code)


def test_a_body_that_is_too_long_is_refused(client: httpx.Client) -> None:
    body = b'{"name": "' + b"x" * (1 << 20) + b'"}'
    headers = {"Content-Type": "application/json"}
    problem(client.post("/jobs", content=body, headers=headers), 413)
    problem(client.post("/jobs", content=iter([body]), headers=headers), 413)  # of a length that nobody has told


def test_a_name_that_is_taken_is_refused(client: httpx.Client, rest_job: RestJob) -> None:
    problem(client.post("/jobs", json={"name": rest_job.name}), 409)


def test_where_the_caller_may_not_create_nothing_is_created(api: httpx.Client, rest: Gateway) -> None:
    viewer = bearer(Account.make(api).may(VIEWING, "a").token())
    for namespace in ("a", "b", "nowhere"):
        answer = httpx.post(f"{rest.public}/jobs", json={"namespace": namespace}, headers=viewer)
        assert f"in the namespace {namespace}" in problem(answer, 403)["detail"]


def test_photos_of_a_claim_are_for_who_may_see_the_claim(api: httpx.Client, rest: Gateway) -> None:
    account = Account.make(api).may(EDITING, "a")
    spec = {"source": {"persistentVolumeClaim": {"claimName": "photos"}}}
    post: dict[str, Any] = {"url": f"{rest.public}/jobs", "json": {"name": "of-claim", "spec": spec}}
    assert "PersistentVolumeClaim photos" in problem(httpx.post(**post, headers=bearer(account.token())), 403)["detail"]

    other = Account.make(api).may(EDITING, "a")
    rule = {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get"], "resourceNames": ["photos"]}
    name = f"claim-{uuid.uuid4().hex[:8]}"
    api.post(f"{RBAC}/namespaces/a/roles", json={"metadata": {"name": name}, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"apiGroup": reference["apiGroup"], "kind": "User", "name": other.username}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    api.post(f"{RBAC}/namespaces/a/rolebindings", json=binding)
    assert httpx.post(**post, headers=bearer(other.token())).status_code == 201
    api.delete(f"{COLLECTION}/of-claim")


# Steer.


def test_suspend_resume_and_rerun_change_the_spec_and_nothing_else(client: httpx.Client, rest_job: RestJob) -> None:
    before = rest_job.resource["spec"]
    assert client.post(f"{rest_job.path}/suspend").json()["suspended"] is True
    assert rest_job.resource["spec"] == {**before, "suspend": True}
    assert client.post(f"{rest_job.path}/resume").json()["suspended"] is False
    client.post(f"{rest_job.path}/rerun").raise_for_status()
    first = rest_job.resource["spec"]["rerun"]
    client.post(f"{rest_job.path}/rerun").raise_for_status()
    assert first
    assert rest_job.resource["spec"]["rerun"] not in {"", first}


def test_a_change_is_seen_by_the_next_request(client: httpx.Client, rest_job: RestJob) -> None:
    for _ in range(5):
        client.post(f"{rest_job.path}/suspend").raise_for_status()
        assert rest_job.document["phase"] == "Suspended"
        client.post(f"{rest_job.path}/resume").raise_for_status()
        assert rest_job.document["phase"] == "Pending"


@pytest.mark.parametrize("action", ["suspend", "resume", "rerun"])
def test_who_may_only_look_may_not_steer(api: httpx.Client, rest: Gateway, rest_job: RestJob, action: str) -> None:
    viewer = bearer(Account.make(api).may(VIEWING, "a").token())
    problem(httpx.post(f"{rest.public}{rest_job.path}/{action}", headers=viewer), 403)
    stranger = bearer(Account.make(api).may(EDITING, "b").token())
    problem(httpx.post(f"{rest.public}{rest_job.path}/{action}", headers=stranger), 404)


def test_a_shared_link_opens_the_page_to_whoever_has_it(client: httpx.Client, rest_job: RestJob) -> None:
    answer = client.post(f"{rest_job.path}/share", json={"seconds": 3600}).json()
    expires = datetime.fromisoformat(answer["expires_at"])
    assert timedelta(minutes=59) < expires - datetime.now(UTC) <= timedelta(hours=1)
    path = answer["url"].removeprefix("http://localhost:8080")
    assert path.startswith("/shared/")
    assert httpx.get(f"{client.base_url}{path}").status_code == 503  # not finished yet, and told so
    assert client.post(f"{rest_job.path}/share").status_code == 200
    problem(client.post(f"{rest_job.path}/share", json={"seconds": 1}), 422)


# Delete.


def test_a_deleted_job_leaves_nothing(client: httpx.Client, rest_job: RestJob, api: httpx.Client) -> None:
    rest_job.succeed()
    until(lambda: rest_job.document["status"] == "completed", "the job to be completed")
    assert client.delete(rest_job.path).status_code == 204
    assert all(job["metadata"]["name"] != rest_job.name for job in api.get(COLLECTION).json()["items"])
    until(lambda: client.get(rest_job.path).status_code == 404, "the job to be gone")
    other = RestJob.make(api, client)
    other.succeed()
    other.delete()
    other.wait_until_archived()
    problem(client.get(rest_job.path), 404)
    client.delete(other.path).raise_for_status()


def test_an_archived_job_and_its_cloud_can_be_looked_at_and_forgotten_and_nothing_else(
    client: httpx.Client, rest: Gateway, rest_job: RestJob
) -> None:
    rest_job.run_stage(StageName.CONVERT, rest.folder, {"metadata.json": b"{}"})
    rest_job.succeed()
    until(lambda: rest_job.document["status"] == "completed", "the job to be completed")
    rest_job.delete()
    rest_job.wait_until_archived()
    assert rest_job.document["points"] == 4711
    cloud = f"{rest.public}/potree/a/{rest_job.name}/metadata.json"
    assert httpx.get(cloud).content == b"{}"
    for action in ("suspend", "resume", "rerun", "share"):
        assert "record" in problem(client.post(f"{rest_job.path}/{action}"), 409)["detail"]
    assert client.delete(rest_job.path).status_code == 204
    problem(client.get(rest_job.path), 404)
    until(lambda: httpx.get(cloud).status_code == 404, "the cloud of a forgotten job to be gone")


def test_who_may_not_delete_deletes_nothing(api: httpx.Client, rest: Gateway, rest_job: RestJob) -> None:
    viewer = bearer(Account.make(api).may(VIEWING, "a").token())
    problem(httpx.delete(f"{rest.public}{rest_job.path}", headers=viewer), 403)
    assert rest_job.resource["metadata"]["name"] == rest_job.name


# Find.


def names(client: httpx.Client, **query: Any) -> list[str]:
    return [job["name"] for job in client.get("/jobs", params=query).raise_for_status().json()["items"]]


def pages(client: httpx.Client, **query: Any) -> Iterator[list[str]]:
    after = ""
    while after is not None:
        page = client.get("/jobs", params={**query, "after": after}).raise_for_status().json()
        yield [job["name"] for job in page["items"]]
        after = page["next"]


@pytest.fixture
def crowd(api: httpx.Client, client: httpx.Client) -> Iterator[tuple[str, list[RestJob]]]:
    """Seven jobs with a word of their own in their names, two of them archived."""
    word = uuid.uuid4().hex[:6]
    jobs = [RestJob.make(api, client, name=f"{word}-{number}") for number in range(7)]
    jobs[1].succeed()
    jobs[2].set_status(phase="Failed")
    jobs[3].succeed()
    until(lambda: jobs[1].document["status"] == jobs[3].document["status"] == "completed", "two jobs to complete")
    until(lambda: jobs[2].document["status"] == "failed", "one to fail")
    for archived in jobs[3:5]:
        archived.delete()
        archived.wait_until_archived()
    yield word, jobs
    for job in jobs:
        client.delete(job.path)


def test_the_list_is_found_by_what_is_asked_for(client: httpx.Client, crowd: tuple[str, list[RestJob]]) -> None:
    word, jobs = crowd
    every = {job.name for job in jobs}
    by_number = [job.name for job in jobs]
    assert set(names(client, q=word)) == every
    assert set(names(client, q=word.upper())) == every
    assert set(names(client, q=word, archived=True)) == set(by_number[3:5])
    assert set(names(client, q=word, archived=False)) == every - set(by_number[3:5])
    assert set(names(client, q=word, status="completed")) == {by_number[1], by_number[3]}
    assert set(names(client, q=word, status="failed")) == {by_number[2], by_number[4]}  # 4 was deleted before its end
    assert set(names(client, q=word, status=["failed", "completed"])) == set(by_number[1:5])
    assert set(names(client, q=word, status="pending")) == every - set(by_number[1:5])
    assert names(client, q=word, phase="Failed") == [by_number[2]]
    assert set(names(client, q=word, namespace="a")) == every
    assert names(client, q=word, namespace="b") == []
    assert names(client, q="nothing-is-called-so") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_hold_every_job_once_newest_first(
    client: httpx.Client, crowd: tuple[str, list[RestJob]], limit: int
) -> None:
    word, jobs = crowd
    found = list(pages(client, q=word, limit=limit))
    assert all(len(page) <= limit for page in found)
    listed = [name for page in found for name in page]
    assert sorted(listed) == sorted(job.name for job in jobs)
    created = {job["name"]: job["created_at"] for job in client.get("/jobs", params={"q": word}).json()["items"]}
    assert [created[name] for name in listed] == sorted(created.values(), reverse=True)


def test_what_comes_and_goes_between_two_pages_shifts_nothing(
    client: httpx.Client, api: httpx.Client, crowd: tuple[str, list[RestJob]]
) -> None:
    word, jobs = crowd
    rest = pages(client, q=word, limit=3)
    first = next(rest)
    newer = RestJob.make(api, client, name=f"{word}-newer")
    unseen = next(job for job in jobs if job.name not in first and job.name not in {jobs[3].name, jobs[4].name})
    unseen.delete()
    unseen.wait_until_archived()
    following = [name for page in rest for name in page if name != newer.name]  # it is as old, by whole seconds
    assert sorted([*first, *following]) == sorted(job.name for job in jobs)
    client.delete(newer.path)


@pytest.mark.parametrize("after", ["nonsense", "é", "W10=", "WyJhIiwgMV0="])
def test_a_page_that_there_is_not_is_refused(client: httpx.Client, after: str) -> None:
    problem(client.get("/jobs", params={"after": after}), 400)


def test_namespaces_that_the_caller_may_not_see_do_not_exist(
    api: httpx.Client, rest: Gateway, client: httpx.Client
) -> None:
    other = Account.make(api).may(EDITING, "b")
    name = f"in-b-{uuid.uuid4().hex[:8]}"
    with httpx.Client(base_url=rest.public, headers=bearer(other.token())) as elsewhere:
        elsewhere.post("/jobs", json={"name": name, "namespace": "b"}).raise_for_status()
        assert name in names(elsewhere)
        assert {job["namespace"] for job in elsewhere.get("/jobs").json()["items"]} == {"b"}
        who = elsewhere.get("/whoami").json()
        assert (who["username"], who["namespaces"], who["may_create"]) == (other.username, ["b"], ["b"])
        elsewhere.get("/namespaces/b/webhook-secret").raise_for_status()
    assert names(client, namespace="b") == names(client, namespace="nowhere") == []
    assert name not in names(client)
    theirs, nobodys = (client.get(f"/jobs/{job_id}") for job_id in (f"b.{name}", "b.nobodys"))
    assert problem(theirs, 404)["title"] == problem(nobodys, 404)["title"]
    secrets = [client.get(f"/namespaces/{namespace}/webhook-secret") for namespace in ("b", "nowhere", "NOT-ONE")]
    assert {problem(answer, 404)["detail"] for answer in secrets} == {
        "There is no such namespace, or it is not yours to see."
    }
    api.delete(COLLECTION.replace("/a/", "/b/") + f"/{name}")


def test_the_install_tells_what_it_allows_to_anybody(rest: Gateway) -> None:
    info = httpx.get(f"{rest.public}/api").json()
    assert (info["default_namespace"], info["anonymous_viewing"]) == ("a", True)
    assert info["qualities"] == ["low", "medium", "high", "extreme"]
    assert set(info["limits"]) == {"max_file_bytes", "max_files", "max_job_bytes"}


def test_a_webhooks_secret_is_for_who_may_create(api: httpx.Client, rest: Gateway, client: httpx.Client) -> None:
    assert client.get("/namespaces/a/webhook-secret").json()["secret"].startswith("whsec_")
    viewer = bearer(Account.make(api).may(VIEWING, "a").token())
    problem(httpx.get(f"{rest.public}/namespaces/a/webhook-secret", headers=viewer), 403)
