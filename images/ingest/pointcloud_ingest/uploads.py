"""Photos that arrived through the gateway: what its records list, put together from their parts in the store."""

from pathlib import Path

from pointcloud_api.names import upload_records_prefix
from pointcloud_api.stages import ExitCode, IngestDocument, Reason, UploadedFile, UploadRecord
from pointcloud_ingest.arrivals import Arrival
from pointcloud_ingest.budget import Budget
from pointcloud_ingest.masks import may_be_mask
from pointcloud_stage import StageContext, StageFailure
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.store import TRANSFERS, MissingObjectError, Store, sha256_of

STEP = "download"


def fetch_uploads(context: StageContext[IngestDocument], revision: int, budget: Budget) -> list[Arrival]:
    """Brings every file that was recorded up to the revision, in the order of reception, equal contents once.

    Raises StageFailure: NO_IMAGES when nothing was uploaded, SOURCE_NOT_FOUND when the store has lost a part.
    """
    document = context.document
    prefix = upload_records_prefix(namespace=document.namespace, name=document.name, uid=document.uid)
    files = _recorded(context.store, prefix, revision)
    if not files:
        raise StageFailure(
            Reason.NO_IMAGES,
            "Nothing has been uploaded.",
            "Upload photos, videos or archives of them to the job.",
            exit_code=ExitCode.NO_INPUT,
        )
    done, total = 0, sum(file.size for file in files)
    for file in files:
        budget.take_file()
        budget.take_bytes(file.size)
    context.progress.update(STEP, 0, total, "bytes")

    def fetch(file: UploadedFile) -> tuple[Path, str]:
        to = context.scratch / "arrivals" / file.id
        _fetch(context.store, file, to)
        return to, sha256_of(to)

    got: dict[str, tuple[Path, str]] = {}
    for file, fetched in in_parallel(fetch, files, workers=TRANSFERS):
        got[file.id] = fetched
        done += file.size
        context.progress.update(STEP, done, total, "bytes")
    return _each_once([(file, *got[file.id]) for file in files], budget)


def _recorded(store: Store, prefix: str, revision: int) -> list[UploadedFile]:
    """The files of all records up to the revision, each upload once, in the order of reception."""
    files: dict[str, UploadedFile] = {}
    for _, record in in_parallel(lambda path: _record(store, path), store.list(prefix), workers=TRANSFERS):
        if record is not None and record.revision <= revision:
            files |= {file.id: file for file in record.files}
    return sorted(files.values(), key=lambda file: (file.received_at, file.name, file.id))


def _record(store: Store, path: str) -> UploadRecord | None:
    """A record, or None for one that the gateway took back between the listing and now."""
    try:
        return UploadRecord.model_validate_json(store.read(path))
    except MissingObjectError:
        return None


def _fetch(store: Store, file: UploadedFile, to: Path) -> None:
    try:
        store.fetch_parts(file.parts, to=to)
    except MissingObjectError as error:
        raise StageFailure(
            Reason.SOURCE_NOT_FOUND,
            f"The store has lost {error}, a part of the uploaded file {file.name}.",
            "Make a new job and upload its files again.",
            exit_code=ExitCode.NO_INPUT,
        ) from None


def _each_once(fetched: list[tuple[UploadedFile, Path, str]], budget: Budget) -> list[Arrival]:
    """The files without those that a client has sent again: what arrived first stays.

    Masks of several photos may well be equal, so of those only one of the same name is the same.
    """
    first: dict[tuple[str, str], str] = {}
    arrivals = []
    for file, path, digest in fetched:
        arrival = Arrival(file.name, path)
        same = (digest, arrival.name if may_be_mask(arrival.name) else "")
        if same in first:
            print(f"{arrival.name} was uploaded before, as {first[same]}: taken once")
            budget.return_bytes(file.size)
            path.unlink()
            continue
        first[same] = arrival.name
        arrivals.append(arrival)
    return arrivals
