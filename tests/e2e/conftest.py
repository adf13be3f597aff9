"""A real node with the chart installed on it. `make test` sets it up; these fixtures use what is there."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools import install, photos
from tools.kubectl import Kubectl, named
from tools.scene.photos import write

REPOSITORY = Path(__file__).parents[2]
Job = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def cluster() -> Kubectl:
    """The local cluster with the chart of this very checkout on it."""
    return install.install()


@pytest.fixture(scope="module")
def namespace(cluster: Kubectl) -> Iterator[Kubectl]:
    """A namespace of its own for one module, at the strictest Pod Security level, gone afterwards."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield cluster.within(name)
    cluster("delete", "namespace", name)


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rendered scene: photos/ and truth/cameras.json."""
    folder = tmp_path_factory.mktemp("scene")
    write(folder)
    return folder


@pytest.fixture(scope="session")
def brighton_beach() -> Path:
    """Eighteen photos from a drone, where they are present beside the checkout."""
    folder = REPOSITORY.parent / "shared" / "data" / "brighton-beach"
    if not folder.is_dir():
        pytest.skip("the photos of brighton-beach are not beside this checkout")
    return folder


@pytest.fixture
def submit(namespace: Kubectl) -> Callable[..., str]:
    """Put photos into a claim and apply a PointcloudJob for them: submit(name, folder, **spec) -> its name."""

    def submit(name: str, folder: Path, **spec: Any) -> str:
        photos.load(namespace, folder, claim_name=name, image=install.image_of("ingest"))
        namespace.apply(job(name, {"persistentVolumeClaim": {"claimName": name}}, **spec))
        return name

    return submit


def job(name: str, source: dict[str, Any], **spec: Any) -> Job:
    """A PointcloudJob."""
    return {
        "apiVersion": "stitchsketch.io/v1alpha1",
        "kind": "PointcloudJob",
        "metadata": {"name": name},
        "spec": {"source": source, **spec},
    }


def until(kubectl: Kubectl, name: str, wanted: Callable[[Job], bool]) -> list[Job]:
    """Every state of a job from now until the wanted one, which is the last. Fails when the job ends otherwise."""
    states = []
    for state in kubectl.watch("pcj", named(name)):
        states.append(state)
        if wanted(state):
            return states
        if phase(state) in {"Succeeded", "Failed"}:
            pytest.fail(f"{name} ended: {state.get('status')}")
    raise AssertionError("the watch ended")


def phase(state: Job) -> str:
    """The job's phase, empty before there is one."""
    return str(state.get("status", {}).get("phase", ""))


def succeeded(state: Job) -> bool:
    """Whether the job has succeeded."""
    return phase(state) == "Succeeded"


def failed(state: Job) -> bool:
    """Whether the job has failed."""
    return phase(state) == "Failed"


def says(words: str) -> Callable[[Job], bool]:
    """Whether the job's progress message has these words."""
    return lambda state: words in state.get("status", {}).get("progress", {}).get("message", "")


def condition(state: Job, kind: str) -> dict[str, Any]:
    """The condition of that type, empty when there is none."""
    conditions: list[dict[str, Any]] = state.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})
