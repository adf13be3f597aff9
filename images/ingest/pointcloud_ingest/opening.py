"""Opens what arrived, whatever the source was: archives give their members, videos their sharp frames.

Archives within archives are not opened: nobody packs photos so, and limits would multiply.
"""

from dataclasses import dataclass, field
from pathlib import Path

from pointcloud_api.stages import IngestDocument, Rejected
from pointcloud_ingest.archive import BadArchive, unpack
from pointcloud_ingest.arrivals import VIDEO_SUFFIXES, Arrival, UnusableError
from pointcloud_ingest.budget import Budget
from pointcloud_ingest.kinds import ARCHIVES, Kind
from pointcloud_ingest.masks import Masks, may_be_mask, sort_out
from pointcloud_ingest.naming import Names
from pointcloud_ingest.videos import frames_of
from pointcloud_stage import StageContext

STEP = "unpack"


@dataclass
class Opened:
    """What arrived, opened."""

    photos: list[Arrival] = field(default_factory=list)
    """What is meant as a photo, and the frames of videos; in the order in which it arrived."""
    masks: Masks = field(default_factory=Masks)
    others: list[str] = field(default_factory=list)
    """Names of files that are nothing of interest."""
    rejected: list[Rejected] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    """What to say of videos that gave less than they should."""
    failure: BadArchive | None = None
    """Why the first archive that cannot be used cannot."""


def open_all(arrivals: list[Arrival], context: StageContext[IngestDocument], budget: Budget) -> Opened:
    """Opens every archive and every video, counting against the limits.

    An archive or a video that cannot be used is left out, as a damaged photo is. Raises StageFailure(LIMIT_EXCEEDED).
    """
    opener = _Opener(context, budget)
    opener.open(arrivals)
    opener.sort_out_masks()
    return opener.opened


class _Opener:
    def __init__(self, context: StageContext[IngestDocument], budget: Budget) -> None:
        self.opened = Opened()
        self._context = context
        self._budget = budget
        self._names = Names()
        self._may_be_masks: list[Arrival] = []
        self._folders = 0
        self._done = 0
        self._total = 0

    def open(self, arrivals: list[Arrival]) -> None:
        self._total = _packed_bytes(arrivals)
        for arrival in arrivals:
            if arrival.kind in ARCHIVES:
                self._open_archive(arrival)
            else:
                self._open_file(arrival)

    def _open_archive(self, archive: Arrival) -> None:
        size = archive.file.stat().st_size
        self._budget.return_bytes(size)  # its members count in its place
        members = self._members(archive)
        self._remove(archive)
        self._total += _packed_bytes(members)
        self._advance(size)
        for member in members:
            if member.kind in ARCHIVES:
                self._reject(member, "is an archive within an archive, which is not opened: give it by itself")
                self._drop(member)
            else:
                self._open_file(member)

    def _members(self, archive: Arrival) -> list[Arrival]:
        folder = self._new_folder()
        try:
            return unpack(archive, to=folder, budget=self._budget)
        except BadArchive as failure:
            self.opened.failure = self.opened.failure or failure
            self._reject(archive, failure.what)
            for file in folder.iterdir():
                self._drop(Arrival(archive.name, file))
            return []

    def _open_file(self, arrival: Arrival) -> None:
        if _is_video(arrival):
            self._open_video(arrival)
        elif may_be_mask(arrival.name):
            self._may_be_masks.append(arrival)
        elif arrival.wanted:
            self._budget.take_images(1)
            self.opened.photos.append(arrival)
        else:
            self.opened.others.append(arrival.name)

    def sort_out_masks(self) -> None:
        """Once all photos are known."""
        self.opened.masks, photos = sort_out(self._may_be_masks, self.opened.photos)
        self._budget.take_images(len(photos))
        self.opened.photos += photos

    def _open_video(self, video: Arrival) -> None:
        size = video.file.stat().st_size
        try:
            frames, complaint = frames_of(
                video,
                self._names.give(video.name, suffix="", suffixes=frozenset()),
                to=self._new_folder(),
                document=self._context.document,
                advance=lambda fraction: self._report(self._done + int(fraction * size)),
            )
        except UnusableError as error:
            self._reject(video, str(error))
        else:
            print(f"{video.described} gives {len(frames)} frames")
            if complaint:
                self.opened.incomplete.append(f"{video.described} {complaint}")
            self._budget.take_images(len(frames))
            self._budget.take_bytes(sum(frame.file.stat().st_size for frame in frames))
            self.opened.photos += frames
        self._drop(video)
        self._advance(size)

    def _reject(self, arrival: Arrival, reason: str) -> None:
        print(f"left out: {arrival.described} {reason}")
        self.opened.rejected.append(Rejected(path=arrival.described, reason=reason))

    def _drop(self, arrival: Arrival) -> None:
        self._budget.return_bytes(arrival.file.stat().st_size)
        self._remove(arrival)

    def _remove(self, arrival: Arrival) -> None:
        """Makes room where the file is ours; a volume's stays."""
        if arrival.file.is_relative_to(self._context.scratch):
            arrival.file.unlink()

    def _new_folder(self) -> Path:
        self._folders += 1
        folder = self._context.scratch / "opened" / str(self._folders)
        folder.mkdir(parents=True)
        return folder

    def _advance(self, size: int) -> None:
        self._done += size
        self._report(self._done)

    def _report(self, done: int) -> None:
        self._context.progress.update(STEP, done, self._total, "bytes")


def _packed_bytes(arrivals: list[Arrival]) -> int:
    return sum(a.file.stat().st_size for a in arrivals if a.kind in ARCHIVES or _is_video(a))


def _is_video(arrival: Arrival) -> bool:
    """Whether it is a video, or meant as one and no photo either."""
    return arrival.kind is Kind.VIDEO or (arrival.kind is not Kind.IMAGE and arrival.suffix in VIDEO_SUFFIXES)
