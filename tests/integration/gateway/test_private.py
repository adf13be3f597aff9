"""An install whose point clouds are not for everybody: credentials, and links that were given out."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pointcloud_gateway.access.grants import KEY_PATH, Grants
from pointcloud_gateway.job_ids import JobId
from tests.fixtures.patience import PATIENCE_SECONDS
from tests.integration.gateway.conftest import Gateway, run_gateway
from tests.integration.gateway.jobs import JobResource
from tests.integration.gateway.rights import VIEWING, Account, bearer
from tools.cluster.controlplane import ControlPlane
from tools.cluster.processes import wait_until

KEY = "9d1e44b07c"
HTML = {"Accept": "text/html"}
FILES = {"index.html": b"<p>mine", "metadata.json": b"1", "thumbnail.jpg": b"jpeg", "log.txt": b"private"}


@pytest.fixture(scope="module")
def gateway(
    control_plane: ControlPlane, api: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that shows nothing to who may not get it."""
    del api  # only for its order
    folder = tmp_path_factory.mktemp("private")
    settings = {"ANONYMOUS_VIEWING": "false"}
    with run_gateway(kubeconfig=control_plane.kubeconfig, folder=folder, settings=settings) as running:
        yield running


@pytest.fixture
def visitor(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.public) as session:
        yield session


@pytest.fixture
def grants(gateway: Gateway) -> Grants:
    """As the gateway's own: it has left its key in the store."""
    return Grants((gateway.folder / KEY_PATH).read_bytes())


@pytest.fixture
def viewer(api: httpx.Client) -> dict[str, str]:
    """The credentials of who may look at what is in the namespace a."""
    return bearer(Account.make(api).may(VIEWING, "a").token())


@pytest.fixture
def address(job: JobResource, visitor: httpx.Client, viewer: dict[str, str]) -> str:
    """Of a published point cloud."""
    job.finish(KEY, FILES)
    job.set_status(published=KEY)
    address = f"/potree/a/{job.name}/"
    wait_until(
        lambda: visitor.get(address, headers=viewer).status_code == 302,
        what="the cloud to be shown",
        seconds=PATIENCE_SECONDS,
    )
    return address


def test_without_credentials_what_exists_looks_like_what_does_not(address: str, visitor: httpx.Client) -> None:
    for path in ("", "metadata.json", f"{KEY}/metadata.json", f"{KEY}/"):
        refused = visitor.get(f"{address}{path}")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    none = visitor.get("/potree/a/none/")
    assert (none.status_code, none.text) == (401, visitor.get(address).text)
    assert visitor.get(address, headers=HTML).headers["content-type"].startswith("text/html")


def test_who_may_get_the_job_may_look(address: str, visitor: httpx.Client, viewer: dict[str, str]) -> None:
    answer = visitor.get(f"{address}{KEY}/metadata.json", headers=viewer)
    assert (answer.status_code, answer.content) == (200, b"1")
    assert answer.headers["cache-control"].startswith("private, ")


def test_who_may_not_get_the_job_finds_nothing(address: str, visitor: httpx.Client, api: httpx.Client) -> None:
    stranger = bearer(Account.make(api).may(VIEWING, "b").token())
    hidden = visitor.get(address, headers=stranger)
    assert hidden.status_code == 404
    assert hidden.text == visitor.get("/potree/a/none/", headers=stranger).text


def test_a_link_opens_the_viewers_files_of_one_job_and_no_more(
    address: str, job: JobResource, visitor: httpx.Client, grants: Grants
) -> None:
    del address  # only for its order
    link = grants.path(JobId("a", job.name), job.uid, expires=int(time.time()) + 60)
    shown = visitor.get(link, follow_redirects=True)
    assert (shown.status_code, shown.content) == (200, b"<p>mine")
    assert str(shown.url).endswith(f"{link}{KEY}/")  # below which the page's own relative addresses lead
    picture = visitor.get(f"{link}{KEY}/thumbnail.jpg")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    assert picture.headers["cache-control"].startswith("private, ")
    assert visitor.get(link.rstrip("/"), follow_redirects=True).content == b"<p>mine"
    assert visitor.get(f"{link}log.txt").status_code == 404
    for altered in (link.replace(f"/a/{job.name}/", "/a/another/"), link.replace("/shared/", "/shared/f")):
        refused = visitor.get(altered, headers=HTML)
        assert refused.status_code == 404
        assert "This link opens nothing" in refused.text


def test_an_expired_link_says_so(address: str, job: JobResource, visitor: httpx.Client, grants: Grants) -> None:
    del address  # only for its order
    link = grants.path(JobId("a", job.name), job.uid, expires=int(time.time()) - 1)
    page = visitor.get(f"{link}metadata.json", headers=HTML)
    assert page.status_code == 410
    assert "This link has expired." in page.text


def test_a_link_to_a_job_that_was_made_again_opens_nothing(
    address: str, job: JobResource, visitor: httpx.Client, viewer: dict[str, str], grants: Grants
) -> None:
    link = grants.path(JobId("a", job.name), job.uid, expires=int(time.time()) + 60)
    job.recreate()
    job.finish(KEY, {"index.html": b"<p>another"})
    job.set_status(published=KEY)
    wait_until(
        lambda: visitor.get(address, headers=viewer, follow_redirects=True).content == b"<p>another",
        what="the new job to be shown",
        seconds=PATIENCE_SECONDS,
    )
    assert visitor.get(link).status_code == 404


def test_links_work_where_everybody_may_look_too(
    api: httpx.Client, control_plane: ControlPlane, tmp_path: Path
) -> None:
    signing_key = "a-key-of-the-install-that-is-long-enough"
    with run_gateway(
        kubeconfig=control_plane.kubeconfig, folder=tmp_path / "store", settings={"SIGNING_KEY": signing_key}
    ) as running:
        job = JobResource(api, running.folder, "shared-openly")
        job.finish(KEY, FILES)
        job.set_status(published=KEY)
        link = Grants(signing_key.encode()).path(JobId("a", job.name), job.uid, expires=int(time.time()) + 60)
        wait_until(
            lambda: httpx.get(f"{running.public}{link}index.html").content == b"<p>mine",
            what="the cloud",
            seconds=PATIENCE_SECONDS,
        )
        assert not (running.folder / KEY_PATH).exists()
        job.delete()
