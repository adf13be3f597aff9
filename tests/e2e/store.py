"""Reads a job's artefacts as another pod of its namespace would: with a token for the store, through the store."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pointcloud_api.names import STORE_AUDIENCE, StageName, artefact_path, result_path, stage_prefix
from tools.install import NAMESPACE, STORE_SERVICE
from tools.kubectl import Kubectl


@dataclass(frozen=True)
class Artefacts:
    """The artefacts of one PointcloudJob."""

    address: str
    token: str
    job: dict[str, Any]

    def _prefix(self, stage: StageName) -> str:
        metadata = self.job["metadata"]
        recorded = next(s for s in self.job["status"]["stages"] if s["name"] == stage)
        return stage_prefix(
            stage=stage,
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            key=recorded["key"],
        )

    def result(self, stage: StageName) -> dict[str, Any]:
        """The stage's result.json."""
        return dict(json.loads(self.get(result_path(self._prefix(stage)))))

    def artefact(self, stage: StageName, path: str) -> bytes:
        """A file of the stage's winner."""
        return self.get(artefact_path(self._prefix(stage), self.result(stage)["podUid"], path))

    def get(self, path: str) -> bytes:
        """An object of the store."""
        request = urllib.request.Request(  # noqa: S310 - our own http address
            f"{self.address}/v1/objects/{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return bytes(answer.read())


@contextmanager
def artefacts(namespace: Kubectl, job: dict[str, Any]) -> Iterator[Artefacts]:
    """Open the store for as long as the context lasts."""
    token = namespace("create", "token", "default", "--audience", STORE_AUDIENCE).strip()
    with namespace.within(NAMESPACE).port_forward(f"service/{STORE_SERVICE}", 8081) as port:
        yield Artefacts(f"http://127.0.0.1:{port}", token, job)
