"""Where what arrives lies in the store, below a job's `names.uploads_prefix`.

    open/<id>.json                     an `Announcement`: the upload has not been recorded yet
    files/<id>/parts/<offset>-<hash>   the bytes (`chain.Part`)
    files/<id>/outcome.json            how a resumable upload ended, created once (`storage.Outcome`)
    records/<revision>-<nonce>.json    a `stages.UploadRecord`

That an unfinished upload has an object of its own in a folder of its own keeps every question about unfinished ones
(how many, which have expired) as cheap as they are few, however many files the job has.
"""

import re
import secrets
from typing import Final, Self

from pointcloud_api.names import upload_records_prefix, uploads_prefix
from pointcloud_kube.api import Json

_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Layout:
    """The paths of one job's uploads."""

    def __init__(self, *, namespace: str, name: str, uid: str) -> None:
        self.prefix = uploads_prefix(namespace=namespace, name=name, uid=uid)
        self.records = upload_records_prefix(namespace=namespace, name=name, uid=uid)
        self.open = f"{self.prefix}/open"

    @classmethod
    def of(cls, job: Json) -> Self:
        """The paths of a PointcloudJob's uploads."""
        metadata = job["metadata"]
        return cls(namespace=metadata["namespace"], name=metadata["name"], uid=metadata["uid"])

    @classmethod
    def below(cls, folder: str) -> Self:
        """The paths below a job's folder `<root>/<namespace>/<name>/<uid>`."""
        namespace, name, uid = folder.split("/")[-3:]
        return cls(namespace=namespace, name=name, uid=uid)

    def announcement(self, upload_id: str) -> str:
        """Of an upload that has not been recorded yet."""
        return f"{self.open}/{upload_id}.json"

    def file(self, upload_id: str) -> str:
        """The folder of an upload."""
        return f"{self.prefix}/files/{upload_id}"

    def parts(self, upload_id: str) -> str:
        """The folder of an upload's parts."""
        return f"{self.file(upload_id)}/parts"

    def outcome(self, upload_id: str) -> str:
        """Of a resumable upload that has ended."""
        return f"{self.file(upload_id)}/outcome.json"

    def new_record(self, revision: int) -> str:
        """A name that no other record has: two replicas may try the same revision."""
        return f"{self.records}/{revision:08d}-{secrets.token_hex(4)}.json"

    def records_up_to(self, revision: int) -> str:
        """A path behind which only the records of later revisions sort."""
        return f"{self.records}/{revision + 1:08d}"


def revision_of(record: str) -> int:
    """The revision that a record's path names."""
    return int(record.rpartition("/")[2].partition("-")[0])


def new_upload_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_hex(16)


def is_upload_id(text: str) -> bool:
    """Whether an upload can be called so."""
    return _ID.fullmatch(text) is not None


def upload_id_of(announcement: str) -> str:
    """The upload that an announcement's path names."""
    return announcement.rpartition("/")[2].removesuffix(".json")
