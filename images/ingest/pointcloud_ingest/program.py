"""The ingest stage: what the source gives, checked, under names that every later stage can bear."""

from pointcloud_api.stages import (
    PHOTO_MANIFEST,
    Artefact,
    ExitCode,
    Figures,
    IngestDocument,
    Photo,
    PhotoManifest,
    Reason,
    Rejected,
    StageWarning,
)
from pointcloud_ingest.arrivals import Arrival, UnusableError, listed
from pointcloud_ingest.budget import Budget
from pointcloud_ingest.masks import Masks, write_mask
from pointcloud_ingest.memory import Room
from pointcloud_ingest.naming import Names
from pointcloud_ingest.opening import Opened, open_all
from pointcloud_ingest.photos import FORMATS as PHOTO_FORMATS
from pointcloud_ingest.photos import SUFFIX, SUFFIXES, Checked, check
from pointcloud_ingest.uploads import fetch_uploads
from pointcloud_ingest.urls import download_urls
from pointcloud_ingest.videos import FORMATS as VIDEO_FORMATS
from pointcloud_ingest.volume import copy_from_volume
from pointcloud_stage import Outcome, StageContext, StageFailure
from pointcloud_stage.limits import cpu_limit
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.store import sha256_of

TAKEN = f"photos as {PHOTO_FORMATS}, or videos as {VIDEO_FORMATS}"
RECOMMENDED_IMAGES = 20


def ingest(context: StageContext[IngestDocument]) -> Outcome:
    """Brings the source's photos into the stage's folder, with their manifest."""
    budget = Budget(context.document.limits)
    opened = open_all(_arrivals(context, budget), context, budget)
    _ask_for_any(opened)
    manifest = _keep_usable(opened, context)
    folder = context.scratch / "photos"
    (folder / PHOTO_MANIFEST).write_text(manifest.model_dump_json(exclude_none=True), encoding="utf-8")
    return Outcome(
        folder=folder,
        artefacts=(PHOTO_MANIFEST,),
        figures=Figures(images_found=len(opened.photos), images_usable=len(manifest.photos)),
        warnings=_warnings(manifest.rejected, opened.incomplete, opened.masks.unused),
    )


def _arrivals(context: StageContext[IngestDocument], budget: Budget) -> list[Arrival]:
    """What the source gives, unopened."""
    settings = context.document.settings
    if settings.upload_revision is not None:
        context.progress.plan(download=45, unpack=10, check=25, upload=20)
        return fetch_uploads(context, settings.upload_revision, budget)
    if settings.urls:
        context.progress.plan(download=45, unpack=10, check=25, upload=20)
        return download_urls(context, budget)
    context.progress.plan(copy=45, unpack=10, check=25, upload=20)
    return copy_from_volume(
        settings, source=context.source, to=context.scratch / "arrivals", budget=budget, progress=context.progress
    )


def _ask_for_any(opened: Opened) -> None:
    """Raises StageFailure when nothing is meant as a photo or gave one."""
    if opened.photos:
        return
    if opened.failure:
        raise opened.failure
    if not opened.rejected:
        others = listed(opened.others)
        what = f"only files that are no photos: {others}" if others else "no files at all"
        raise StageFailure(
            Reason.NO_IMAGES,
            f"The source holds {what}.",
            f"Give {TAKEN}.",
            exit_code=ExitCode.NO_INPUT,
        )


def _keep_usable(opened: Opened, context: StageContext[IngestDocument]) -> PhotoManifest:
    """Checks each photo and moves the usable ones to their places. Raises StageFailure when they are too few."""
    found = opened.photos
    verdicts: dict[Arrival, Checked | UnusableError] = {}
    room = Room.of_container()

    def verdict(arrival: Arrival) -> Checked | UnusableError:
        try:
            return check(arrival, context.document.limits, room)
        except UnusableError as error:
            return error

    for arrival, checked in in_parallel(verdict, found, workers=cpu_limit()):
        verdicts[arrival] = checked
        context.progress.update("check", len(verdicts), len(found), "photos")
    usable = {arrival: checked for arrival in found if isinstance(checked := verdicts[arrival], Checked)}
    rejected = [*opened.rejected, *(_left_out(a, str(verdicts[a])) for a in found if a not in usable)]
    placing = _Placing(context, opened.masks, room)
    for arrival, checked in usable.items():
        if (twin := placing.place(arrival, checked)) is not None:
            rejected.append(_left_out(arrival, f"is the same file as {twin}"))
    print(f"{len(placing.photos)} of {len(found)} photos can be used")
    for complaint in opened.masks.unused:
        print(f"mask not used: {complaint}")
    _ask_for_enough(placing.photos, rejected)
    return PhotoManifest(photos=tuple(placing.photos), rejected=tuple(rejected))


def _left_out(arrival: Arrival, reason: str) -> Rejected:
    print(f"left out: {arrival.name} {reason}")
    return Rejected(path=arrival.name, reason=reason)


class _Placing:
    """Moves usable photos to their places in the stage's folder, with their masks."""

    def __init__(self, context: StageContext[IngestDocument], masks: Masks, room: Room) -> None:
        self.photos: list[Photo] = []
        self._folder = context.scratch / "photos"
        self._limits = context.document.limits
        self._masks = masks
        self._room = room
        self._names = Names()
        self._first: dict[str, Arrival] = {}

    def place(self, arrival: Arrival, checked: Checked) -> str | None:
        """Moves a photo, unless one of the same bytes came before: a second view from one place shows no depth.

        Gives that one's name.
        """
        digest = sha256_of(arrival.file)
        if (first := self._first.setdefault(digest, arrival)) is not arrival:
            return first.name
        name = self._names.give(arrival.name, suffix=SUFFIX[checked.format], suffixes=SUFFIXES[checked.format])
        path = f"images/{name}"
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        arrival.file.rename(file)
        self.photos.append(
            Photo(
                path=path,
                size=file.stat().st_size,
                sha256=digest,
                width=checked.width,
                height=checked.height,
                mask=self._place_mask(arrival, checked, name),
            )
        )
        return None

    def _place_mask(self, arrival: Arrival, checked: Checked, name: str) -> Artefact | None:
        """COLMAP looks for the mask of a photo under the photo's whole name and `.png`."""
        mask = self._masks.of.get(arrival)
        if mask is None:
            return None
        path = f"masks/{name}.png"
        file = self._folder / path
        try:
            write_mask(mask, checked, file, self._limits, self._room)
        except UnusableError as error:
            self._masks.unused.append(f"{mask.name} {error}")
            return None
        return Artefact(path=path, size=file.stat().st_size, sha256=sha256_of(file))


def _ask_for_enough(photos: list[Photo], rejected: list[Rejected]) -> None:
    unusable = f" Not usable: {_explained(rejected)}." if rejected else ""
    if not photos:
        raise StageFailure(
            Reason.UNREADABLE_IMAGES,
            f"Nothing in the source can be used: {_explained(rejected)}.",
            f"Give {TAKEN}, copied or uploaded completely.",
        )
    if len(photos) < 2:
        raise StageFailure(
            Reason.TOO_FEW_IMAGES,
            f"The source holds one usable photo, and depth shows only between two.{unusable}",
            f"Give at least 2 photos of the same thing from different places, better {RECOMMENDED_IMAGES} or more.",
        )


def _warnings(rejected: tuple[Rejected, ...], incomplete: list[str], masks: list[str]) -> tuple[StageWarning, ...]:
    messages = []
    if rejected:
        count = f"{len(rejected)} files are" if len(rejected) > 1 else "One file is"
        messages.append(f"{count} left out: {_explained(list(rejected))}.")
    if incomplete:
        messages.append(f"{listed(incomplete, at_most=3, length=200)}.")
    warnings = [StageWarning(reason=Reason.UNREADABLE_IMAGES, message=message) for message in messages]
    if masks:
        count = f"{len(masks)} masks are" if len(masks) > 1 else "One mask is"
        message = f"{count} not used: {listed(masks, at_most=3, length=200)}."
        warnings.append(StageWarning(reason="MasksNotUsed", message=message))
    return tuple(warnings)


def _explained(rejected: list[Rejected]) -> str:
    return listed([f"{item.path} {item.reason}" for item in rejected], at_most=3, length=200)
