"""Brings what a stage made into the store, below the pod's own folder."""

from pathlib import Path

from pointcloud_api.names import artefact_path
from pointcloud_api.stages import Artefact, StageDocument, StageResult
from pointcloud_stage.context import Outcome
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.progress import UPLOAD_STEP, Reporter
from pointcloud_stage.store import TRANSFERS, Store, sha256_of


def publish(
    outcome: Outcome, *, document: StageDocument, pod_uid: str, store: Store, progress: Reporter
) -> StageResult:
    """Stores every file of the outcome, several at once, and returns the result that may now be claimed.

    Raises FileNotFoundError when the outcome lists an artefact that it does not hold.
    """
    folder = outcome.folder
    sizes = {file: file.stat().st_size for file in sorted(folder.rglob("*")) if file.is_file()}
    for path in outcome.artefacts:
        if folder / path not in sizes:
            raise FileNotFoundError(f"the stage lists {path} among its artefacts and did not make it")

    def upload(file: Path) -> Artefact:
        path = file.relative_to(folder).as_posix()
        digest = sha256_of(file)
        store.put(artefact_path(document.prefix, pod_uid, path), file, sha256=digest)
        return Artefact(path=path, size=sizes[file], sha256=digest)

    stored: dict[str, Artefact] = {}
    done, total = 0, sum(sizes.values())
    progress.update(UPLOAD_STEP, 0, total, "bytes")
    for _, artefact in in_parallel(upload, sizes, workers=TRANSFERS):
        stored[artefact.path] = artefact
        done += artefact.size
        progress.update(UPLOAD_STEP, done, total, "bytes")
    return StageResult(
        stage=document.stage,
        key=document.key,
        pod_uid=pod_uid,
        artefacts=tuple(stored[path] for path in outcome.artefacts),
        figures=outcome.figures,
        warnings=outcome.warnings,
    )
