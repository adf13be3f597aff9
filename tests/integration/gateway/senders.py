"""What the tests of uploads share: a job that takes files, who may send to it, and what a run of it would find."""

import base64
import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from pointcloud_api.names import API_VERSION, KIND, upload_records_prefix
from pointcloud_api.stages import UploadedFile, UploadRecord
from tests.integration.gateway.jobs import COLLECTION

TUS = {"Tus-Resumable": "1.0.0"}
BODY = {**TUS, "Content-Type": "application/offset+octet-stream"}


@dataclass(frozen=True)
class UploadJob:
    """A PointcloudJob in the namespace a that takes files."""

    api: httpx.Client
    name: str
    uid: str

    @classmethod
    def make(cls, api: httpx.Client, **spec: Any) -> "UploadJob":
        name = f"uploads-{uuid.uuid4().hex[:8]}"
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name},
            "spec": {"source": {"upload": {}}, **spec},
        }
        return cls(api, name, api.post(COLLECTION, json=body).json()["metadata"]["uid"])

    @property
    def id(self) -> str:
        return f"a.{self.name}"

    @property
    def uploads(self) -> str:
        """Where resumable uploads begin."""
        return f"/jobs/{self.id}/uploads"

    @property
    def spec(self) -> Any:
        return self.api.get(f"{COLLECTION}/{self.name}").json()["spec"]

    @property
    def revision(self) -> int:
        revision: int = self.spec["source"]["upload"].get("revision", 0)
        return revision

    @property
    def received_at(self) -> datetime:
        return datetime.fromisoformat(self.spec["source"]["upload"]["receivedAt"])

    def delete(self) -> None:
        self.api.delete(f"{COLLECTION}/{self.name}")

    def folder(self, store: Path) -> Path:
        """Of all that has arrived."""
        return (store / upload_records_prefix(namespace="a", name=self.name, uid=self.uid)).parent

    def received(self, store: Path) -> list[UploadedFile]:
        """What a run would find: each file of a record that the spec has reached, once."""
        revision = self.revision
        records = [
            UploadRecord.model_validate_json(path.read_text()) for path in (self.folder(store) / "records").glob("*")
        ]
        return list({file.id: file for each in records if each.revision <= revision for file in each.files}.values())

    def contents(self, store: Path) -> dict[str, bytes]:
        """The files by name, put together from their parts, each checked."""
        return {file.name: content(store, file) for file in self.received(store)}

    def leftovers(self, store: Path) -> list[str]:
        """Objects of files that no record names, finished or not."""
        kept = {file.id for file in self.received(store)}
        folder = self.folder(store)
        walk = os.walk(folder)  # unlike rglob, it bears that folders vanish
        found = [(Path(parent) / name).relative_to(folder) for parent, _, names in walk for name in names]
        return sorted(str(path) for path in found if path.parts[0] != "records" and path.parts[1] not in kept)


def content(store: Path, file: UploadedFile) -> bytes:
    pieces = [(store / part.path).read_bytes() for part in file.parts]
    assert [hashlib.sha256(piece).hexdigest() for piece in pieces] == [part.sha256 for part in file.parts]
    assert sum(map(len, pieces)) == file.size
    return b"".join(pieces)


def metadata(name: str) -> dict[str, str]:
    return {"Upload-Metadata": f"filename {base64.b64encode(name.encode()).decode()}"}


def begin(client: httpx.Client, job: UploadJob, length: int, name: str = "a.jpg") -> str:
    """Begins a resumable upload and returns its address."""
    answer = client.post(job.uploads, headers={**TUS, **metadata(name), "Upload-Length": str(length)})
    assert answer.status_code == 201, answer.text
    return str(answer.url.join(answer.headers["Location"]))


def patch(
    client: httpx.Client, address: str, offset: int, body: Any, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    return client.patch(address, content=body, headers={**BODY, "Upload-Offset": str(offset), **(headers or {})})


def offset(client: httpx.Client, address: str) -> int:
    """How much of an upload is stored."""
    answer = client.head(address, headers=TUS)
    assert answer.status_code == 200, answer.status_code
    return int(answer.headers["Upload-Offset"])


def problem(answer: httpx.Response, status: int) -> str:
    """The detail of a problem document."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    document = json.loads(answer.text)
    assert document["status"] == status
    return str(document["detail"])
