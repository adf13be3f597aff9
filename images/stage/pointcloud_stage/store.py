"""The client of the store service: streamed, checked, and patient with a store that restarts.

Every failure leaves as a StageFailure that says what to do, but for an object that is not there.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, TypeVar
from urllib.parse import quote

import httpx

from pointcloud_api.names import result_path
from pointcloud_api.stages import ExitCode, Reason, StageResult
from pointcloud_stage.failure import StageFailure

TRANSFERS: Final = 8
"""Files on their way at once: enough to hide a round trip each for hundreds of photos."""
CHUNK: Final = 1 << 20
PATIENCE_SECONDS: Final = 120.0
"""How long a store that does not answer is waited for: a rollout of it, with its volume moving to another node."""

T = TypeVar("T")


class StoredObject(Protocol):
    """An object as somebody recorded it: `UploadPart` is such."""

    @property
    def path(self) -> str:
        """Whole path in the store."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def sha256(self) -> str:
        """Hexadecimal."""


class MissingObjectError(Exception):
    """The store has no object of that path."""


class DamagedObjectError(StageFailure):
    """The store gives an object with other contents than its maker recorded."""

    def __init__(self, path: str) -> None:
        super().__init__(
            Reason.STORE_UNAVAILABLE,
            f"The store gives {path} with other contents than its maker recorded.",
            "Look at the store's disk; set spec.source anew or delete and re-create the job to make the file again.",
            exit_code=ExitCode.TRY_AGAIN,
        )


class _PassingError(Exception):
    """A fault that may be gone at the next try."""


class Store:
    """Objects of the store service, as one pod may read and write them. Threads may share it."""

    def __init__(
        self,
        url: str,
        token_file: Path,
        *,
        patience: float = PATIENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`patience` is how many seconds after the first failed try the last one may begin."""
        self._listing = f"{url}/v1/objects"
        self._token_file = token_file
        self._patience = patience
        self._sleep = sleep
        self._client = httpx.Client(
            timeout=httpx.Timeout(60, connect=5),
            limits=httpx.Limits(max_connections=TRANSFERS, max_keepalive_connections=TRANSFERS),
            trust_env=False,
        )

    def put(self, path: str, file: Path, *, sha256: str) -> None:
        """Stores a file; the store refuses it unless what arrives has that hash."""

        def attempt() -> None:
            with file.open("rb") as body:
                headers = {"Content-Length": str(os.fstat(body.fileno()).st_size), "X-Content-SHA256": sha256}
                response = self._client.put(self._url(path), content=_chunks(body), headers=self._signed(headers))
            _accept(response, path, 200, 201, 204)

        self._patiently(attempt)

    def create(self, path: str, body: bytes) -> bool:
        """Stores a small object unless there is one of that path already; returns whether it did."""

        def attempt() -> bool:
            headers = self._signed({"If-None-Match": "*"})
            response = self._client.put(self._url(path), content=body, headers=headers)
            _accept(response, path, 200, 201, 204, 412)
            return response.status_code != httpx.codes.PRECONDITION_FAILED

        return self._patiently(attempt)

    def read(self, path: str) -> bytes:
        """A small object. Raises MissingObjectError."""

        def attempt() -> bytes:
            response = self._client.get(self._url(path), headers=self._signed({}))
            _accept(response, path, 200)
            return response.content

        return self._patiently(attempt)

    def result(self, prefix: str) -> StageResult | None:
        """The recorded result of the stage whose folder is `prefix`, or None while there is none."""
        try:
            return StageResult.model_validate_json(self.read(result_path(prefix)))
        except MissingObjectError:
            return None

    def list(self, prefix: str) -> Iterator[str]:
        """The paths of all objects below the folder `prefix`, by name in order, fetched page by page."""
        after = ""
        while True:
            page = self._page(prefix, after)
            yield from (entry["path"] for entry in page["objects"])
            if not page["next"]:
                return
            after = page["next"]

    def _page(self, prefix: str, after: str) -> dict[str, Any]:
        def attempt() -> dict[str, Any]:
            query = {"prefix": f"{prefix}/", "after": after}
            response = self._client.get(self._listing, params=query, headers=self._signed({}))
            _accept(response, prefix, 200)
            page: dict[str, Any] = response.json()
            return page

        return self._patiently(attempt)

    def fetch(self, path: str, *, to: Path, size: int, sha256: str) -> None:
        """Brings an object to a file, going on where a broken transfer ended. Raises MissingObjectError.

        An object of another length or hash is fetched once more from its beginning, then given up on by
        DamagedObjectError.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb+", buffering=0) as file:
            self._append(file, path, size, sha256)

    def fetch_parts(self, parts: Iterable[StoredObject], *, to: Path) -> None:
        """Brings objects one after the other to one file, each as `fetch` does. Raises MissingObjectError."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb+", buffering=0) as file:
            for part in parts:
                self._append(file, part.path, part.size, part.sha256)

    def _append(self, file: FileIO, path: str, size: int, sha256: str) -> None:
        start = file.seek(0, os.SEEK_END)
        for _ in range(2):
            file.truncate(start)
            self._patiently(lambda: self._receive(file, start, path, size))
            file.seek(start)
            if (
                os.fstat(file.fileno()).st_size == start + size
                and hashlib.file_digest(file, "sha256").hexdigest() == sha256
            ):
                return
        raise DamagedObjectError(path)

    def _receive(self, file: FileIO, start: int, path: str, size: int) -> None:
        offset = file.seek(0, os.SEEK_END) - start
        if offset >= size:
            return
        headers = self._signed({"Range": f"bytes={offset}-"} if offset else {})
        with self._client.stream("GET", self._url(path), headers=headers) as response:
            _accept(response, path, 200, 206)
            if response.status_code == httpx.codes.OK and offset:
                file.truncate(start)
                file.seek(start)
            for chunk in response.iter_bytes():
                _write(file, chunk)

    def _url(self, path: str) -> str:
        return f"{self._listing}/{quote(path)}"

    def _signed(self, headers: dict[str, str]) -> dict[str, str]:
        token = self._token_file.read_text(encoding="ascii").strip()
        return {**headers, "Authorization": f"Bearer {token}"}

    def _patiently(self, attempt: Callable[[], T]) -> T:
        deadline = time.monotonic() + self._patience
        pause = 0.5
        while True:
            try:
                return attempt()
            except (httpx.TransportError, _PassingError) as error:
                if time.monotonic() + pause > deadline:
                    raise StageFailure(
                        Reason.STORE_UNAVAILABLE,
                        f"The store service does not answer: {error or type(error).__name__}.",
                        "Look at the pods and the events of the gateway in the operator's namespace.",
                        exit_code=ExitCode.TRY_AGAIN,
                    ) from None
            self._sleep(pause)
            pause = min(2 * pause, 8.0)


def sha256_of(file: Path) -> str:
    """The file's hash in hexadecimal, read in pieces."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _chunks(body: BinaryIO) -> Iterator[bytes]:
    while chunk := body.read(CHUNK):
        yield chunk


def _write(file: FileIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _accept(response: httpx.Response, path: str, *accepted: int) -> None:
    """Passes what was asked for, and turns every other answer into what it means to the stage."""
    status = response.status_code
    if status in accepted:
        return
    if status == httpx.codes.NOT_FOUND:
        raise MissingObjectError(path)
    if status == httpx.codes.INSUFFICIENT_STORAGE:
        raise StageFailure(
            Reason.STORE_FULL,
            "The store's volume is full.",
            "Enlarge the PersistentVolumeClaim of the install, or delete PointcloudJobs that are not needed any more.",
            exit_code=ExitCode.TRY_AGAIN,
        )
    if status == httpx.codes.UNAUTHORIZED:
        raise StageFailure(
            Reason.INTERRUPTED,
            "The store does not accept this pod's token any more, as for a pod that was deleted.",
            "Nothing to do: the stage runs again in another pod.",
            exit_code=ExitCode.TRY_AGAIN,
        )
    message = f"the store answered {status} for {path}: {_reason(response)}"
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in {408, 422, 429}:
        raise _PassingError(message)
    raise StageFailure(
        Reason.INTERNAL,
        f"{message[0].upper()}{message[1:]}.",
        "Report this with the stage's log: the store and the stage disagree on what a pod may do.",
        exit_code=ExitCode.INTERNAL,
    )


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.read()[:500], "utf-8", "replace")
    except httpx.TransportError:
        return "its answer broke off"
