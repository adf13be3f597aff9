"""Photos from the user's PersistentVolumeClaim, copied to the scratch, so that what is checked is what is stored.

Archives and videos are read where they are: what comes out of them lies in the scratch. Other files are only named
when no photo is found.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from pointcloud_api.stages import ExitCode, IngestSettings, Reason
from pointcloud_ingest.arrivals import Arrival, is_clutter, listed
from pointcloud_ingest.budget import Budget
from pointcloud_ingest.kinds import ARCHIVES, Kind
from pointcloud_stage import Reporter, StageFailure
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.store import TRANSFERS

STEP = "copy"
READ_IN_PLACE: Final = ARCHIVES | {Kind.VIDEO}


def copy_from_volume(
    settings: IngestSettings, *, source: Path, to: Path, budget: Budget, progress: Reporter
) -> list[Arrival]:
    """Finds every file of the settings' folder in the claim mounted at `source`, by name in order, copying photos.

    Links to folders are not followed, links to files only within the volume. Raises StageFailure(SOURCE_NOT_FOUND)
    when the folder is not there or may not be read.
    """
    try:
        folder = _folder(settings, source)
        found = sorted(_files(folder, source.resolve(), budget))
    except PermissionError as error:
        raise _not_readable(settings, Path(error.filename).relative_to(source)) from None
    to.mkdir(parents=True)
    progress.update(STEP, 0, len(found), "files")

    def copy(numbered: tuple[int, Path]) -> Arrival:
        number, file = numbered
        arrival = Arrival(file.relative_to(folder).as_posix(), file)
        try:
            if not arrival.wanted:
                return arrival
            budget.take_bytes(file.stat().st_size)
            if arrival.kind in READ_IN_PLACE:
                return arrival
            return replace(arrival, file=shutil.copyfile(file, to / f"{number:06}"))
        except PermissionError:
            raise _not_readable(settings, file.relative_to(source)) from None

    arrivals: dict[int, Arrival] = {}
    for (number, _), arrival in in_parallel(copy, enumerate(found), workers=TRANSFERS):
        arrivals[number] = arrival
        progress.update(STEP, len(arrivals), len(found), "files")
    return [arrivals[number] for number in sorted(arrivals)]


def _folder(settings: IngestSettings, source: Path) -> Path:
    folder = source / settings.path
    if folder.resolve().is_relative_to(source.resolve()) and _is_folder(folder):
        return folder
    there = (
        sorted(entry.name + ("/" if entry.is_dir() else "") for entry in source.iterdir()) if _is_folder(source) else []
    )
    raise StageFailure(
        Reason.SOURCE_NOT_FOUND,
        f"The claim {settings.claim_name} has no folder {settings.path!r}; it holds {listed(there) or 'nothing'}.",
        "Set spec.source.persistentVolumeClaim.path to a folder of the volume, relative to its root.",
        exit_code=ExitCode.NO_INPUT,
    )


def _is_folder(path: Path) -> bool:
    """As `Path.is_dir`, which in newer Pythons says False of what may not be read. Raises PermissionError."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _files(folder: Path, root: Path, budget: Budget) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, onerror=_complain):
        for name in names:
            file = Path(parent, name)
            if is_clutter(file.relative_to(folder).as_posix()) or not file.is_file():
                continue
            if not file.is_symlink() or file.resolve().is_relative_to(root):
                budget.take_file()
                yield file


def _complain(error: OSError) -> None:
    raise error


def _not_readable(settings: IngestSettings, relative: Path) -> StageFailure:
    path = "The root" if relative == Path() else relative.as_posix()
    return StageFailure(
        Reason.SOURCE_NOT_FOUND,
        f"{path} of the claim {settings.claim_name} may not be read by the stage's user {os.geteuid()}.",
        "Make the volume's folders and files readable for all: chmod -R a+rX.",
        exit_code=ExitCode.NO_INPUT,
    )
