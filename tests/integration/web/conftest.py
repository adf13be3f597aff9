"""The page at `/` in a real browser, before a real gateway and a real control plane; the test plays the operator."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from pointcloud_api.names import ARTEFACTS_FINALIZER, StageName, stage_prefix
from tests.integration.conftest import Namespace
from tests.integration.gateway.conftest import Gateway, run_gateway
from tests.integration.gateway.jobs import leave_result
from tests.integration.gateway.rights import EDITING, bearer, grant
from tools.cluster.controlplane import ControlPlane

SECRET: Final = "surveyors-key-0123456789"  # noqa: S105 - of these tests
KEY: Final = "9d1e44b07c"
MEGABYTE: Final = 1_000_000

expect.set_options(timeout=30_000)


class Site:
    """A gateway of the test's own, whose default namespace is the test's, and an API key that may edit there."""

    def __init__(self, namespace: Namespace, folder: Path, control_plane: ControlPlane, web_page: Path) -> None:
        self.namespace = namespace
        self.store = folder / "store"
        self.keys = folder / "keys"
        self.settings = {"WEB": str(web_page), "API_KEYS": str(self.keys), "DEFAULT_NAMESPACE": namespace.name}
        self._kubeconfig = control_plane.kubeconfig
        self._running = ExitStack()
        self.gateway: Gateway
        self.store.mkdir()
        self.keys.mkdir()
        # A user of the test's own, who may not see what earlier tests have left in their namespaces.
        self.key = self.keys / f"surveyor-{namespace.name}"
        self.allow()
        user = {"kind": "User", "name": f"pointcloud:api-key:{self.key.name}"}
        grant(namespace.api.http, user, EDITING, namespace.name)

    def allow(self) -> None:
        self.key.write_text(SECRET)

    def refuse(self) -> None:
        self.key.unlink()

    def start(self, **settings: str) -> None:
        self.settings |= settings
        running = run_gateway(kubeconfig=self._kubeconfig, folder=self.store, settings=self.settings)
        self.gateway = self._running.enter_context(running)
        self.settings["PORT"] = str(urlsplit(self.gateway.public).port)

    def kill(self) -> None:
        """As when its node fails; `start` then begins anew at the same address."""
        self.gateway.process.kill()
        self.gateway.process.wait()

    def stop(self) -> None:
        self._running.close()

    def job(self, name: str) -> dict[str, Any]:
        return self.namespace.job(name)

    def lets_in(self) -> bool:
        """Whether the key is known, of which the gateway hears within a second or two."""
        return self._ask("whoami").is_success

    def uploaded(self, name: str) -> dict[str, int]:
        """Sizes of the files that have arrived whole, by name."""
        return {file["name"]: file["size"] for file in self._ask(f"jobs/{name}/files").json()["items"]}

    def archived(self) -> list[str]:
        """Ids of the jobs of which only the record is left."""
        return [job["id"] for job in self._ask("jobs?archived=true").json()["items"]]

    def _ask(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.gateway.public}/{path}", headers=bearer(SECRET), trust_env=False)

    def tell(self, name: str, **status: Any) -> None:
        """Write the job's status, as the operator does."""
        generation = self.job(name)["metadata"]["generation"]
        body = {"status": {"observedGeneration": generation, **status}}
        self.namespace.api.patch(f"{self.namespace.job_path(name)}/status", body)

    def hold(self, name: str) -> None:
        """Keep the job from going when it is deleted, as the operator does until its artefacts are gone."""
        self._set_finalizers(name, [ARTEFACTS_FINALIZER])

    def release(self, name: str) -> None:
        self._set_finalizers(name, [])

    def _set_finalizers(self, name: str, finalizers: list[str]) -> None:
        self.namespace.api.patch(self.namespace.job_path(name), {"metadata": {"finalizers": finalizers}})

    def publish(self, name: str, files: dict[str, bytes]) -> None:
        """Leave the files as the job's octree, and say that the job has succeeded."""
        uid = self.job(name)["metadata"]["uid"]
        folder = stage_prefix(stage=StageName.CONVERT, namespace=self.namespace.name, name=name, uid=uid, key=KEY)
        leave_result(self.store, folder, KEY, files)
        url = f"{self.gateway.public}/potree/{self.namespace.name}/{name}/"
        progress = {"percent": 100, "display": "100%", "message": "done"}
        self.tell(name, phase="Succeeded", url=url, published=KEY, points=1_234_567, progress=progress)

    def reconstruct(self, name: str, files: dict[str, bytes]) -> None:
        """Leave the files as the job's reconstruction, and say that the stage has succeeded."""
        uid = self.job(name)["metadata"]["uid"]
        folder = stage_prefix(stage=StageName.RECONSTRUCT, namespace=self.namespace.name, name=name, uid=uid, key=KEY)
        leave_result(self.store, folder, KEY, files)
        self.tell(name, phase="Running", stage="convert", stages=[stage("reconstruct", "Succeeded")])


def ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def stage(name: str, phase: str) -> dict[str, Any]:
    return {"name": name, "key": KEY, "settings": {}, "phase": phase, "attempt": 1, "job": name, "startTime": ago(10)}


@pytest.fixture
def site(namespace: Namespace, tmp_path: Path, control_plane: ControlPlane, web_page: Path) -> Iterator[Site]:
    """A running gateway."""
    made = Site(namespace, tmp_path, control_plane, web_page)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def visitor(site: Site, page: Page) -> Page:
    """A page that is signed in; an error that it does not show, or a request to elsewhere, fails the test."""
    page.on("pageerror", lambda error: pytest.fail(f"the page threw an error that it does not show: {error}"))
    page.goto(f"{site.gateway.public}/")
    page.get_by_label("Access token or API key").fill(SECRET)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Make your first point cloud")).to_be_visible()
    return page


def photo(path: Path, size: int) -> Path:
    """A file of that many bytes, each megabyte of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"".join(bytes([i % 251]) * min(MEGABYTE, size - i * MEGABYTE) for i in range(-(-size // MEGABYTE)))
    )
    return path


def begin(page: Page, name: str, *files: Path) -> None:
    """Make a point cloud of the files, which the page then begins to send."""
    page.get_by_role("link", name="New").first.click()
    page.locator("input[type=file]").first.set_input_files(files)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
