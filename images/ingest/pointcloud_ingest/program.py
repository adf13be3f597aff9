"""The ingest stage: what the source gives, checked, under names that every later stage can bear."""

import json
import os
from pathlib import Path

from pointcloud_api.stages import (
    PHOTO_MANIFEST,
    URLS_VARIABLE,
    ExitCode,
    Figures,
    IngestDocument,
    IngestLimits,
    Photo,
    PhotoManifest,
    Reason,
    Rejected,
    StageWarning,
)
from pointcloud_ingest.archive import unpack
from pointcloud_ingest.arrivals import Arrival, Kind, head_of, kind_of, listed
from pointcloud_ingest.budget import Budget, limit_exceeded
from pointcloud_ingest.download import Downloader, public_url, web_page
from pointcloud_ingest.naming import Names
from pointcloud_ingest.photos import SUFFIX, SUFFIXES, Checked, UnusableError, check
from pointcloud_ingest.volume import copy_from_volume
from pointcloud_stage import Outcome, Reporter, StageContext, StageFailure
from pointcloud_stage.limits import cpu_limit
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.store import TRANSFERS, sha256_of

RECOMMENDED_IMAGES = 20
MAX_DECODERS = 4
"""Photos decoded at once: each may take 4 bytes a pixel of memory."""


def ingest(context: StageContext[IngestDocument]) -> Outcome:
    """Brings the source's photos into the stage's folder, with their manifest."""
    budget = Budget(context.document.limits)
    if context.document.settings.urls:
        context.progress.plan(download=60, unpack=10, check=30)
        arrivals = _from_urls(context, budget)
    else:
        context.progress.plan(copy=50, check=50)
        arrivals = copy_from_volume(
            context.document.settings,
            source=context.source,
            to=context.scratch / "arrivals",
            budget=budget,
            progress=context.progress,
        )
    found = _photos_among(arrivals, context.document.limits)
    manifest = _keep_usable(found, context)
    folder = context.scratch / "photos"
    (folder / PHOTO_MANIFEST).write_text(manifest.model_dump_json(exclude_none=True), encoding="utf-8")
    return Outcome(
        folder=folder,
        artefacts=(PHOTO_MANIFEST,),
        figures=Figures(images_found=len(found), images_usable=len(manifest.photos)),
        warnings=_warnings(manifest.rejected),
    )


def _from_urls(context: StageContext[IngestDocument], budget: Budget) -> list[Arrival]:
    """Downloads all, several at once, then unpacks the archives among them; in the order of the URLs."""
    urls = _urls(context.document)
    downloads = context.scratch / "downloads"
    downloads.mkdir()
    downloader = Downloader(budget)
    advance = _DownloadProgress(context.progress, len(urls))

    def download(numbered: tuple[int, str]) -> Arrival:
        number, url = numbered
        file = downloads / f"{number:06}"
        name = downloader.download(url, file, advance.of_one)
        print(f"{public_url(url)} gave {name}, {file.stat().st_size:,} bytes")
        return Arrival(name, file)

    advance.finished(0)
    got: dict[int, Arrival] = {}
    for (number, _), arrival in in_parallel(download, enumerate(urls), workers=TRANSFERS):
        got[number] = arrival
        advance.finished(len(got))
    arrivals: list[Arrival] = []
    for number, url in enumerate(urls):
        arrivals += _opened(got[number], url, to=context.scratch / "unpacked" / str(number), budget=budget)
        context.progress.update("unpack", number + 1, len(urls), "files")
    return arrivals


class _DownloadProgress:
    """Bytes of a single download, or the number of finished ones of many."""

    def __init__(self, progress: Reporter, count: int) -> None:
        self._progress = progress
        self._count = count

    def of_one(self, arrived: int, expected: int | None) -> None:
        if self._count == 1:
            self._progress.update("download", arrived, expected, "bytes")

    def finished(self, done: int) -> None:
        if self._count > 1 or not done:
            self._progress.update("download", done, self._count, "files")


def _urls(document: IngestDocument) -> tuple[str, ...]:
    """The URLs, query strings and all, from beside the document."""
    urls = tuple(json.loads(os.environ.get(URLS_VARIABLE, "[]")))
    if len(urls) != len(document.settings.urls):
        raise StageFailure(
            Reason.BAD_SETTINGS,
            f"{URLS_VARIABLE} holds {len(urls)} URLs and the settings {len(document.settings.urls)}.",
            "Install the operator and the stage images of one version.",
            exit_code=ExitCode.BAD_SETTINGS,
        )
    return urls


def _opened(arrival: Arrival, url: str, *, to: Path, budget: Budget) -> list[Arrival]:
    """What a download is or holds."""
    kind = kind_of(head_of(arrival.file))
    if kind is Kind.WEB_PAGE:
        raise web_page(url)
    if kind in {Kind.ZIP, Kind.TAR}:
        members = unpack(Arrival(public_url(url), arrival.file), kind, to=to, budget=budget)
        arrival.file.unlink()
        return members
    budget.take_file()
    budget.take_bytes(arrival.file.stat().st_size)
    return [arrival]


def _photos_among(arrivals: list[Arrival], limits: IngestLimits) -> list[Arrival]:
    """The files that are meant as photos. Raises StageFailure when there are none, or too many."""
    found = [arrival for arrival in arrivals if arrival.meant_as_photo]
    if not found:
        others = listed([arrival.name for arrival in arrivals])
        what = f"only files that are no photos: {others}" if others else "no files at all"
        raise StageFailure(
            Reason.NO_IMAGES,
            f"The source holds {what}.",
            "Name a source that holds photos as JPEG, PNG, TIFF or BMP.",
            exit_code=ExitCode.NO_INPUT,
        )
    if len(found) > limits.max_images:
        raise limit_exceeded(limits, "max_images", f"it holds {len(found):,} photos")
    return found


def _keep_usable(found: list[Arrival], context: StageContext[IngestDocument]) -> PhotoManifest:
    """Checks each photo and moves the usable ones to their places. Raises StageFailure when they are too few."""
    verdicts: dict[Arrival, Checked | UnusableError] = {}

    def verdict(arrival: Arrival) -> Checked | UnusableError:
        try:
            return check(arrival, context.document.limits)
        except UnusableError as error:
            return error

    for arrival, checked in in_parallel(verdict, found, workers=min(cpu_limit(), MAX_DECODERS)):
        verdicts[arrival] = checked
        context.progress.update("check", len(verdicts), len(found), "photos")
    photos: list[Photo] = []
    rejected: list[Rejected] = []
    names = Names()
    for arrival in found:
        checked = verdicts[arrival]
        if isinstance(checked, Checked):
            photos.append(_placed(arrival, checked, names, context.scratch / "photos"))
        else:
            rejected.append(Rejected(path=arrival.name, reason=str(checked)))
            print(f"left out: {arrival.name} {checked}")
    print(f"{len(photos)} of {len(found)} photos can be used")
    _ask_for_enough(photos, rejected)
    return PhotoManifest(photos=tuple(photos), rejected=tuple(rejected))


def _placed(arrival: Arrival, checked: Checked, names: Names, folder: Path) -> Photo:
    name = names.give(arrival.name, suffix=SUFFIX[checked.format], suffixes=SUFFIXES[checked.format])
    path = f"images/{name}"
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    arrival.file.rename(file)
    return Photo(
        path=path,
        size=file.stat().st_size,
        sha256=sha256_of(file),
        width=checked.width,
        height=checked.height,
    )


def _ask_for_enough(photos: list[Photo], rejected: list[Rejected]) -> None:
    unusable = f" Not usable: {_explained(rejected)}." if rejected else ""
    if not photos:
        raise StageFailure(
            Reason.UNREADABLE_IMAGES,
            f"None of the source's {len(rejected)} photos can be used: {_explained(rejected)}.",
            "Give photos as JPEG, PNG, TIFF or BMP, copied or uploaded completely.",
        )
    if len(photos) < 2:
        raise StageFailure(
            Reason.TOO_FEW_IMAGES,
            f"The source holds one usable photo, and depth shows only between two.{unusable}",
            f"Give at least 2 photos of the same thing from different places, better {RECOMMENDED_IMAGES} or more.",
        )


def _warnings(rejected: tuple[Rejected, ...]) -> tuple[StageWarning, ...]:
    if not rejected:
        return ()
    count = f"{len(rejected)} photos are" if len(rejected) > 1 else "One photo is"
    message = f"{count} left out: {_explained(list(rejected))}."
    return (StageWarning(reason=Reason.UNREADABLE_IMAGES, message=message),)


def _explained(rejected: list[Rejected]) -> str:
    return listed([f"{item.path} {item.reason}" for item in rejected], at_most=3)
