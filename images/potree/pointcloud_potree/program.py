"""The convert stage from end to end: points in, a folder that any web server can show a point cloud from out."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pointcloud_api.stages import (
    LAZ_FILE,
    OUTPUT_MANIFEST,
    POINTS_FILE,
    REPORT_FILE,
    THUMBNAIL_FILE,
    TRANSFORMS_FILE,
    VIEW_FILE,
    VIEWER_PAGE,
    ConvertDocument,
    Figures,
    OutputManifest,
    Reason,
    StageWarning,
)
from pointcloud_potree.conversion import write_verified_octree
from pointcloud_potree.grid import UnusableCloudError
from pointcloud_potree.inputs import UnreadablePointsError, open_points
from pointcloud_potree.octree import FILES, OctreeSummary
from pointcloud_potree.page import introduce
from pointcloud_potree.perspective import View
from pointcloud_potree.points import PointSource
from pointcloud_potree.thumbnail import draw_thumbnail
from pointcloud_stage import Outcome, StageContext, StageFailure
from pointcloud_stage.limits import cpu_limit

VIEWER: Final = Path(__file__).parents[1] / "viewer" / "dist"
"""The built viewer page, in the image as in a checkout."""
_DOWNLOADS: Final = (LAZ_FILE, REPORT_FILE, TRANSFORMS_FILE)
"""What whoever sees the page may keep: it tells no more than the page itself. Photos do, and stay where they are."""


def convert(context: StageContext[ConvertDocument]) -> Outcome:
    """Run the stage. Raises StageFailure when the points cannot be shown."""
    context.progress.plan(download=10, read=10, sort=20, encode=40, verify=20)
    folder = context.scratch / "site"
    shutil.copytree(VIEWER, folder)
    with _told_to_the_user():
        source = _fetch_points(context)
        summary = _write_octree(context, folder, source)
    artefacts = [*FILES, VIEWER_PAGE]
    for told in (VIEW_FILE, REPORT_FILE):
        if context.upstream is not None and context.upstream.artefact(told) is not None:
            context.fetch(told, folder / told)
            artefacts.append(told)
    if _fetch_downloads(context, folder):
        artefacts.append(OUTPUT_MANIFEST)
    pictured = _draw_thumbnail(folder, source)
    if pictured:
        artefacts.append(THUMBNAIL_FILE)
    before = context.upstream.figures if context.upstream else Figures()
    introduce(
        folder / VIEWER_PAGE,
        title=context.document.name,
        about=_about(summary.points, before.images_registered),
        address=context.document.address if pictured else None,
    )
    return Outcome(
        folder=folder,
        artefacts=tuple(artefacts),
        figures=before.model_copy(update={"points": summary.points, "nodes": summary.nodes}),
        warnings=_warnings(summary),
    )


def _fetch_points(context: StageContext[ConvertDocument]) -> PointSource:
    context.progress.update("download", 0, 1, "files")
    file = context.fetch(POINTS_FILE, context.scratch / POINTS_FILE)
    context.progress.update("download", 1, 1, "files")
    return open_points(file)


def _write_octree(context: StageContext[ConvertDocument], folder: Path, source: PointSource) -> OctreeSummary:
    return write_verified_octree(
        source,
        folder,
        encoding=context.document.settings.encoding,
        name=context.document.name,
        threads=cpu_limit(),
        scratch=context.scratch,
        progress=lambda step, done, total: context.progress.update(step, done, total, "points"),
    )


@contextmanager
def _told_to_the_user() -> Iterator[None]:
    """Make a StageFailure of what is wrong with the points."""
    try:
        yield
    except UnreadablePointsError as error:
        # Its bytes are those that the stage before has summed up: another try would read the same.
        raise StageFailure(
            Reason.UNREADABLE_POINTS,
            f"The points of the reconstruction cannot be read: {error}.",
            "Change spec.reconstruction, or create the PointcloudJob anew, so that they are made again; if they are "
            "damaged again, report it with the log of the reconstruct stage.",
        ) from error
    except UnusableCloudError as error:
        raise StageFailure(
            Reason.TOO_FEW_POINTS,
            f"The reconstruction cannot be shown: {error}.",
            "Take more photos that overlap, and look at the warnings of the reconstruct stage.",
        ) from error


def _fetch_downloads(context: StageContext[ConvertDocument], folder: Path) -> bool:
    """Whether there are downloads beside the page now, and with them `outputs.json`, which lists them."""
    if context.upstream is None or context.upstream.artefact(OUTPUT_MANIFEST) is None:
        return False
    manifest = OutputManifest.model_validate_json(
        context.fetch(OUTPUT_MANIFEST, context.scratch / OUTPUT_MANIFEST).read_bytes()
    )
    files = tuple(file for file in manifest.files if file.path in _DOWNLOADS)
    for file in files:
        if (folder / file.path).exists():
            continue
        context.fetch_file(path=file.path, size=file.size, sha256=file.sha256, to=folder / file.path)
    content = OutputManifest(files=files).model_dump_json(indent=2)
    (folder / OUTPUT_MANIFEST).write_text(f"{content}\n", encoding="utf-8")
    return True


def _draw_thumbnail(folder: Path, source: PointSource) -> bool:
    """Whether there is a picture of the cloud now: it is a pity, and no more, when there is none."""
    view = folder / VIEW_FILE
    try:
        looking = View.model_validate_json(view.read_bytes()) if view.exists() else View()
        draw_thumbnail(source, looking, folder / THUMBNAIL_FILE)
    except Exception as error:  # noqa: BLE001 - whatever it is, the octree is there and good
        print(f"warning: no picture of the cloud could be drawn: {type(error).__name__}: {error}")
        return False
    return True


def _about(points: int, photos: int | None) -> str:
    return f"{points:,} points" + (f" from {photos:,} photos" if photos else "")


def _warnings(summary: OctreeSummary) -> tuple[StageWarning, ...]:
    if summary.dropped == 0:
        return ()
    message = f"{summary.dropped} points without finite coordinates were left out."
    return (StageWarning(reason="PointsDropped", message=message),)
