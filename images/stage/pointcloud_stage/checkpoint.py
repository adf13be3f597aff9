"""Stores what a pod makes while it works, so that a pod after it need not do the same work again.

A pod is stopped with some seconds' notice, or killed with none. So each piece of work goes to the store at once, in
the background, below the pod's own folder, and a list of the latest pieces after them (`pieces.py`). A store that is
away holds up nothing but the end of the stage.
"""

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pointcloud_api.names import artefact_path
from pointcloud_api.stages import Artefact, Reason
from pointcloud_stage.failure import StageFailure, failure_of
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.pieces import Piece, PieceList, list_path
from pointcloud_stage.sigterm import SigtermWatch
from pointcloud_stage.store import PATIENCE_SECONDS, Store, sha256_of

_BATCH: Final = 32
"""Pieces in one list at most: what a pod has stored counts once their list is stored too."""
_UPLOADS: Final = 4
"""Pieces on their way at once."""
_PAUSE_SECONDS: Final = 5.0
"""Before the next try while the store is away."""


@dataclass(frozen=True)
class _Waiting:
    piece: Piece
    file: Path


class Checkpoint:
    """The pieces of one pod. Threads may share it.

    Used as a context, by the main thread, it makes SIGTERM end the process as soon as everything kept is stored,
    whatever native code is doing at that moment.
    """

    def __init__(
        self,
        store: Store,
        *,
        prefix: str,
        pod_uid: str,
        patience: float = PATIENCE_SECONDS,
        pause: float = _PAUSE_SECONDS,
    ) -> None:
        """`prefix` is the folder of the key in the store.

        The store's client may be without patience of its own: what fails is tried again every `pause` seconds, and
        `settle` gives up on a store that has been away for `patience` seconds.
        """
        self._store = store
        self._prefix = prefix
        self._pod_uid = pod_uid
        self._patience = patience
        self._pause = pause
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._kept = 0
        self._stored = 0
        self._failure: StageFailure | None = None
        self._failing_since = 0.0
        self._uploader: threading.Thread | None = None
        self._gatherers: list[Callable[[], object]] = []
        self._sigterm = SigtermWatch(self._last_moments)

    def __enter__(self) -> Self:
        self._sigterm.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sigterm.end()

    def keep(self, name: str, path: str, file: Path) -> Piece:
        """Store a file in the background, as `path` of the pod's folder, and remove it when it is stored.

        No two pieces of a pod have one path. The piece is given at once; that it is stored is sure after `settle`.
        """
        artefact = Artefact(path=path, size=file.stat().st_size, sha256=sha256_of(file))
        piece = Piece(name=name, pod_uid=self._pod_uid, file=artefact)
        with self._changed:
            self._waiting.append(_Waiting(piece, file))
            self._kept += 1
            if self._uploader is None:
                self._uploader = threading.Thread(target=self._upload, name="checkpoint", daemon=True)
                self._uploader.start()
            self._changed.notify_all()
        return piece

    @contextmanager
    def gathering(self, gather: Callable[[], object]) -> Iterator[None]:
        """While the body runs, SIGTERM calls `gather` first, on a thread of its own, to `keep` what is not kept yet."""
        self._gatherers.append(gather)
        try:
            yield
        finally:
            self._gatherers.remove(gather)

    def settle(self) -> None:
        """Wait until all that was kept before is stored. Raises StageFailure when the store does not take it."""
        begun = time.monotonic()
        with self._changed:
            wanted = self._kept
            while self._stored < wanted:
                if self._failure is not None:
                    passing = self._failure.error.reason == Reason.STORE_UNAVAILABLE
                    if not passing or time.monotonic() - max(begun, self._failing_since) > self._patience:
                        raise self._failure
                self._changed.wait()

    def _last_moments(self) -> None:
        for gather in tuple(self._gatherers):
            try:
                gather()
            except Exception:  # noqa: BLE001 - what was kept before is still to be stored
                traceback.print_exc()
        self.settle()

    def _upload(self) -> None:
        number = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                batch = self._waiting[:_BATCH]
            # The very same batch until it is stored, for its list may have arrived though the answer did not.
            while not self._tried(number, batch):
                time.sleep(self._pause)
            for waiting in batch:
                waiting.file.unlink(missing_ok=True)
            with self._changed:
                del self._waiting[: len(batch)]
                self._stored += len(batch)
                self._failure = None
                self._changed.notify_all()
            number += 1

    def _tried(self, number: int, batch: list[_Waiting]) -> bool:
        try:
            self._put(number, batch)
        except Exception as error:  # noqa: BLE001 - told by `settle`
            with self._changed:
                if self._failure is None:
                    self._failing_since = time.monotonic()
                    print(f"what is done cannot be stored for later pods at present: {error}")
                self._failure = failure_of(error)
                self._changed.notify_all()
            return False
        return True

    def _put(self, number: int, batch: list[_Waiting]) -> None:
        def put(waiting: _Waiting) -> None:
            file = waiting.piece.file
            self._store.put(self._own(file.path), waiting.file, sha256=file.sha256)

        for _ in in_parallel(put, batch, workers=_UPLOADS):
            pass
        listed = PieceList(pieces=tuple(waiting.piece for waiting in batch))
        self._store.create(self._own(list_path(number)), listed.model_dump_json().encode())

    def _own(self, path: str) -> str:
        return artefact_path(self._prefix, self._pod_uid, path)
