"""A PointcloudJob whose operator and stages the test plays."""

import json
from pathlib import Path
from typing import Any

import httpx

from pointcloud_api.names import GROUP, PLURAL, VERSION, StageName, artefact_path, result_path, stage_prefix
from pointcloud_api.stages import StageResult

COLLECTION = f"/apis/{GROUP}/{VERSION}/namespaces/a/{PLURAL}"


class JobResource:
    """A PointcloudJob whose status the test writes, playing the operator, and whose octrees it makes."""

    def __init__(self, api: httpx.Client, folder: Path, name: str) -> None:
        self.name = name
        self._api = api
        self._folder = folder
        self.uid = self._create()

    def _create(self) -> str:
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "PointcloudJob",
            "metadata": {"name": self.name},
            "spec": {"source": {"urls": ["https://example.com/photos.zip"]}},
        }
        uid: str = self._api.post(COLLECTION, json=body).json()["metadata"]["uid"]
        return uid

    def set_status(self, **status: Any) -> None:
        self._api.patch(
            f"{COLLECTION}/{self.name}/status",
            content=json.dumps({"status": status}),
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def recreate(self) -> None:
        self.delete()
        self.uid = self._create()

    def delete(self) -> None:
        self._api.delete(f"{COLLECTION}/{self.name}")

    def finish(self, key: str, files: dict[str, bytes], *, pod_uid: str = "winner") -> None:
        """Leave in the store what a convert pod leaves."""
        prefix = stage_prefix(stage=StageName.CONVERT, namespace="a", name=self.name, uid=self.uid, key=key)
        leave_result(self._folder, prefix, key, files, pod_uid=pod_uid)


def leave_result(store: Path, prefix: str, key: str, files: dict[str, bytes], *, pod_uid: str = "winner") -> None:
    """Leave in the store's folder what a convert pod leaves below `prefix`."""
    result = StageResult(stage=StageName.CONVERT, key=key, pod_uid=pod_uid, artefacts=())
    contents = {artefact_path(prefix, pod_uid, path): data for path, data in files.items()}
    write_objects(store, {**contents, result_path(prefix): result.model_dump_json().encode()})


def write_objects(store: Path, contents: dict[str, bytes]) -> None:
    """Lay objects into the store's folder, by their paths."""
    for path, data in contents.items():
        file = store / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
