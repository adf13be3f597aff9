"""What the tests of the REST service share: a job whose operator the test plays, and a reader of events."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pointcloud_api.names import StageName, artefact_path, result_path, stage_prefix
from pointcloud_api.stages import StageResult
from tests.integration.conftest import until
from tests.integration.gateway.jobs import COLLECTION, write_objects

PATCH = {"Content-Type": "application/merge-patch+json"}
KEY = "9d1e44b07c"


@dataclass(frozen=True)
class RestJob:
    """A job in the namespace a, which is the default one."""

    api: httpx.Client
    client: httpx.Client
    name: str

    @classmethod
    def make(cls, api: httpx.Client, client: httpx.Client, *, name: str = "", **spec: Any) -> "RestJob":
        name = name or f"rest-{uuid.uuid4().hex[:8]}"
        spec = {"source": {"upload": {}}, **spec}
        client.post("/jobs", json={"name": name, "spec": spec}).raise_for_status()
        return cls(api, client, name)

    @property
    def path(self) -> str:
        return f"/jobs/{self.name}"

    @property
    def resource(self) -> Any:
        return self.api.get(f"{COLLECTION}/{self.name}").json()

    @property
    def document(self) -> Any:
        return self.client.get(self.path).raise_for_status().json()

    @property
    def version(self) -> str:
        version: str = self.resource["metadata"]["resourceVersion"]
        return version

    def set_status(self, **status: Any) -> None:
        """As the operator would, which has seen the spec as it is."""
        body = {"status": {"observedGeneration": self.resource["metadata"]["generation"], **status}}
        self.api.patch(f"{COLLECTION}/{self.name}/status", content=json.dumps(body), headers=PATCH)

    def succeed(self) -> None:
        self.set_status(phase="Succeeded", published=KEY, url="http://x/", points=4711)

    def delete(self) -> None:
        """As with kubectl."""
        self.api.delete(f"{COLLECTION}/{self.name}")

    def wait_until_archived(self) -> None:
        """The archive hears of an end a moment after the cluster has forgotten it."""
        query = {"q": self.name, "archived": "true"}
        until(lambda: self.client.get("/jobs", params=query).json()["items"], f"{self.name} to be archived")

    def run_stage(self, stage: StageName, folder: Path, files: dict[str, bytes], *, won: bool = True) -> None:
        """Leave what a pod of a stage leaves, whether it made the result or not, and let the status tell of the run."""
        place = {"stage": stage, "namespace": "a", "name": self.name, "uid": self.resource["metadata"]["uid"]}
        prefix = stage_prefix(**place, key=KEY)
        pod = uuid.uuid4().hex
        contents = {artefact_path(prefix, pod, path): data for path, data in files.items()}
        if won:
            result = StageResult(stage=stage, key=KEY, pod_uid=pod, artefacts=())
            contents[result_path(prefix)] = result.model_dump_json().encode()
        write_objects(folder, contents)
        begun = {"name": stage, "key": KEY, "settings": {}, "phase": "Succeeded" if won else "Failed", "job": "j"}
        self.set_status(phase="Running", stage=stage, stages=[begun])


@dataclass(frozen=True)
class Event:
    name: str
    data: Any
    id: str | None


def events(response: httpx.Response) -> Iterator[Event]:
    """The events of a stream, as a browser would tell of them; comments are passed over."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            if "data" in fields:
                yield Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
            fields = {}
        elif not line.startswith(":"):
            name, _, text = line.partition(":")
            fields[name] = text.removeprefix(" ")
