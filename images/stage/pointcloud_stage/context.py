"""What a stage program is given and what it gives back."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pointcloud_api.names import StageName, artefact_path
from pointcloud_api.stages import (
    ConvertDocument,
    ExitCode,
    Figures,
    IngestDocument,
    Reason,
    ReconstructDocument,
    StageResult,
    StageWarning,
)
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.failure import StageFailure
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.pieces import LeftPieces
from pointcloud_stage.progress import Reporter
from pointcloud_stage.store import TRANSFERS, MissingObjectError, Store

__all__ = ["Outcome", "StageContext", "StageFailure", "StoredFile"]

D = TypeVar("D", bound=IngestDocument | ReconstructDocument | ConvertDocument)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a finished stage leaves."""

    folder: Path
    """Every file below it is stored below the pod's folder, under the same relative path."""
    artefacts: tuple[str, ...]
    """Relative paths of the few files that others start from: listed in result.json with length and hash."""
    figures: Figures
    warnings: tuple[StageWarning, ...] = ()


class StoredFile(Protocol):
    """A file as a manifest lists it: `Photo` and `Artefact` are such."""

    @property
    def path(self) -> str:
        """Relative to the folder of the pod that made it."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def sha256(self) -> str:
        """Hexadecimal."""


@dataclass(frozen=True, kw_only=True)
class StageContext(Generic[D]):
    """What a stage program works with."""

    document: D
    scratch: Path
    """An empty folder of the program's own on node-local disk."""
    source: Path
    """Where the user's PersistentVolumeClaim is mounted, read-only; only the ingest stage has one."""
    upstream: StageResult | None
    """The result of the stage before; None for the first stage alone."""
    progress: Reporter
    store: Store = field(repr=False)
    checkpoint: Checkpoint = field(repr=False)
    pod_uid: str

    def left(self, key: str | None = None) -> LeftPieces:
        """What other pods of this stage left under this key, or under another one of the same PointcloudJob."""
        prefix = self.document.prefix_of(self.document.stage, key or self.document.key)
        return LeftPieces(self.store, prefix, but_of=self.pod_uid)

    def fetch(self, artefact: str, to: Path) -> Path:
        """Brings an artefact that the stage before lists in its result to the file `to`, checked, and returns it.

        Raises StageFailure(UPSTREAM_MISSING) when the result lists none of that path or the store has lost it.
        """
        listed = self.upstream.artefact(artefact) if self.upstream else None
        if listed is None:
            raise _upstream_missing(artefact)
        return self.fetch_file(path=listed.path, size=listed.size, sha256=listed.sha256, to=to)

    def fetch_file(self, *, path: str, size: int, sha256: str, to: Path) -> Path:
        """Brings a file of the stage before, as one of its manifests lists it, to the file `to`, checked."""
        if self.upstream is None:
            raise _upstream_missing(path)
        prefix = self.document.prefix_of(self.upstream.stage, self.upstream.key)
        try:
            self.store.fetch(artefact_path(prefix, self.upstream.pod_uid, path), to=to, size=size, sha256=sha256)
        except MissingObjectError:
            raise _upstream_missing(path) from None
        return to

    def fetch_files(self, files: Iterable[StoredFile], *, to: Path, step: str) -> None:
        """Brings many files of the stage before below the folder `to`, several at once, reporting `step` in bytes."""
        wanted = list(files)
        done, total = 0, sum(file.size for file in wanted)

        def fetch(file: StoredFile) -> Path:
            return self.fetch_file(path=file.path, size=file.size, sha256=file.sha256, to=to / file.path)

        for file, _ in in_parallel(fetch, wanted, workers=TRANSFERS):
            done += file.size
            self.progress.update(step, done, total, "bytes")


def upstream_result(document: ReconstructDocument | ConvertDocument, store: Store) -> StageResult:
    """The recorded result of the stage before. Raises StageFailure(UPSTREAM_MISSING) when the store has none."""
    before = StageName.INGEST if isinstance(document, ReconstructDocument) else StageName.RECONSTRUCT
    result = store.result(document.prefix_of(before, document.upstream))
    if result is None:
        raise _upstream_missing("result.json")
    return result


def _upstream_missing(path: str) -> StageFailure:
    return StageFailure(
        Reason.UPSTREAM_MISSING,
        f"The file {path} of the stage before is not in the store any more.",
        "Nothing to do: the operator runs the stage before again.",
        exit_code=ExitCode.TRY_AGAIN,
    )
