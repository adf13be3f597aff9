"""Chooses how the photos to compare with each other are found: all pairs of few photos, likely ones of many.

Comparing is the only work that grows with the square of the number of photos, unless it is bounded here: each photo is
compared with some dozens of others, those taken near it or soon before and after it, and those that look like it.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from pointcloud_api.resource import Matching
from pointcloud_api.stages import ExitCode, Reason, StageWarning
from pointcloud_colmap.exif import Position, Shot
from pointcloud_stage import StageFailure

Pair = tuple[str, str]
"""Names of two photos, the lesser first."""


def pair_of(first: str, second: str) -> Pair:
    """The pair of two photos, in whatever order they come."""
    return (first, second) if first < second else (second, first)


FEW: Final = 100
"""Photos of which all pairs are compared, whatever they say of themselves: not more a photo than the rules for many
compare. Comparing two takes 0.2 processor seconds at medium quality (`match` of `python -m tools.bench.overhead`, over
the pairs that it prints), so a quarter of an hour for all of 100."""
FEW_UNORDERED: Final = 200
"""Photos of which all are compared where nothing but their looks says which belong together: an hour at medium."""
NEIGHBOURS: Final = 40
"""Photos taken nearest to each that it is compared with. On a grid of vertical photos that overlap by 80 % along and
70 % across the flight, 26 overlap a photo by a quarter or more; the others make up for slanted cameras and for GPS."""
ALIKE: Final = 50
"""Photos that look most like one of which nothing else is known."""
ALSO_ALIKE: Final = 10
"""Photos that look most like one of which more is known: they close loops, and join what positions and order do not."""
_WINDOW: Final = 10
"""Photos before and after each in a sequence; beyond them those 16, 32, … 512 before and after, as COLMAP's quadratic
overlap has it."""
_MOST: Final = 0.75
"""Share of the photos that must have a position, or be in a sequence, for the rule to be taken for all."""
_ASCENDING: Final = 0.95
"""Share of neighbours by name whose times must ascend: a counter that starts again at 0001 is no other order."""
_TELLING_METRES: Final = 10
"""Distance of the last of the neighbours, in the median, above which positions tell them from the others: twice what a
receiver under the open sky is wrong by."""
_EARTH_RADIUS: Final = 6_371_000.0
_FRAME: Final = re.compile(r"\d{5,}\.\d{3}s(-\d+)?\.jpg")
"""How ingest names a video's frames: by their time in seconds, in a folder that is named after the video."""


class Pairing(StrEnum):
    """How pairs are found; but for the last, `spec.reconstruction.matching` can ask for it."""

    EXHAUSTIVE = "exhaustive"
    SEQUENTIAL = "sequential"
    SPATIAL = "spatial"
    VOCABULARY_TREE = "vocabularyTree"
    """By their looks alone, with a vocabulary made of the photos themselves."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was chosen, and why."""

    pairing: Pairing
    why: str
    """A sentence."""
    likely: frozenset[Pair] = frozenset()
    """Pairs that positions or order speak for; of all pairs none is listed."""
    alike: Mapping[str, int]
    """With how many photos that look most like it each is compared in addition."""
    warning: StageWarning | None = None

    def expected(self, photos: int) -> int:
        """About how many pairs of so many photos that makes."""
        everything = photos * (photos - 1) // 2
        if self.pairing is Pairing.EXHAUSTIVE:
            return everything
        return min(everything, len(self.likely) + sum(self.alike.values()))


def choose(shots: Mapping[str, Shot], asked: Matching) -> Choice:
    """How to find pairs of these photos.

    Raises StageFailure(BAD_SETTINGS) when positions are asked for that no two photos have.
    """
    match asked:
        case Matching.EXHAUSTIVE:
            return _exhaustive("asked for")
        case Matching.SEQUENTIAL:
            return _sequential(shots, "asked for")
        case Matching.SPATIAL:
            return _spatial_as_asked(shots)
    return _automatic(shots)


def _automatic(shots: Mapping[str, Shot]) -> Choice:
    total = len(shots)
    if total <= FEW:
        return _exhaustive(f"{total} photos are few enough to compare all of them")
    positions = _positions(shots)
    if len(positions) >= _MOST * total and _telling(positions):
        return _spatial(shots, f"{len(positions)} of {total} photos say by EXIF GPS where they were taken")
    ordered = sum(len(sequence) for sequence in sequences(shots) if _is_sequence(sequence, shots))
    if ordered >= _MOST * total:
        return _sequential(
            shots, f"{ordered} of {total} photos are frames of videos, or named in the order of their times"
        )
    if total <= FEW_UNORDERED:
        return _exhaustive(f"{total} photos without positions and order are few enough to compare all of them")
    return Choice(
        pairing=Pairing.VOCABULARY_TREE,
        why=f"{total} photos without positions and order are too many to compare all of them",
        alike=dict.fromkeys(shots, ALIKE),
        warning=StageWarning(
            reason="PairsLeftOut",
            message=f"{total} photos with neither EXIF GPS nor an order are many, so each was compared with the "
            f"{ALIKE} that look most like it alone. spec.reconstruction.matching: exhaustive compares all, for about "
            f"{total // ALIKE} times the time of matching; sequential, if they were taken in the order of their names, "
            "costs less.",
        ),
    )


def _exhaustive(why: str) -> Choice:
    return Choice(pairing=Pairing.EXHAUSTIVE, why=why, alike={})


def _sequential(shots: Mapping[str, Shot], why: str) -> Choice:
    likely = frozenset(pair for sequence in sequences(shots) for pair in window_pairs(sequence))
    return Choice(pairing=Pairing.SEQUENTIAL, why=why, likely=likely, alike=dict.fromkeys(shots, ALSO_ALIKE))


def _spatial(shots: Mapping[str, Shot], why: str, warning: StageWarning | None = None) -> Choice:
    positions = _positions(shots)
    alike = {name: ALSO_ALIKE if name in positions else ALIKE for name in shots}
    likely = frozenset(neighbour_pairs(positions))
    return Choice(pairing=Pairing.SPATIAL, why=why, likely=likely, alike=alike, warning=warning)


def _spatial_as_asked(shots: Mapping[str, Shot]) -> Choice:
    known = len(_positions(shots))
    if known < 2:
        raise StageFailure(
            Reason.BAD_SETTINGS,
            f"spec.reconstruction.matching is spatial, and {known} of {len(shots)} photos say by EXIF GPS where they "
            "were taken.",
            "Set spec.reconstruction.matching to auto, or give the photos as the camera wrote them: editors and "
            "messengers often take the GPS data out.",
            exit_code=ExitCode.BAD_SETTINGS,
        )
    if known == len(shots):
        return _spatial(shots, "asked for")
    without = len(shots) - known
    warning = StageWarning(
        reason="MatchingNotAsAsked",
        message=f"spec.reconstruction.matching is spatial, but {without} of {len(shots)} photos do not say by EXIF GPS "
        f"where they were taken: they were compared with the {ALIKE} that look most like them.",
    )
    return _spatial(shots, "asked for", warning)


def _positions(shots: Mapping[str, Shot]) -> dict[str, Position]:
    return {name: shot.position for name, shot in shots.items() if shot.position is not None}


# By time.


def sequences(shots: Mapping[str, Shot]) -> list[list[str]]:
    """The names of each folder in the order that a person would give them: 9.jpg is before 10.jpg."""
    folders: defaultdict[PurePosixPath, list[str]] = defaultdict(list)
    for name in shots:
        folders[PurePosixPath(name).parent].append(name)
    return [sorted(names, key=_natural) for names in folders.values()]


def window_pairs(sequence: Sequence[str]) -> Iterable[Pair]:
    """Each photo with those soon after it, and with some later ones, ever farther apart."""
    steps = [*range(1, _WINDOW + 1), *(2**power for power in range(4, 10))]
    for index, name in enumerate(sequence):
        for step in steps:
            if index + step < len(sequence):
                yield pair_of(name, sequence[index + step])


def all_frames(names: Collection[str]) -> bool:
    """Whether these are nothing but frames of videos."""
    return bool(names) and all(_FRAME.fullmatch(PurePosixPath(name).name) for name in names)


def _is_sequence(names: Sequence[str], shots: Mapping[str, Shot]) -> bool:
    """Whether the order of the names is that in which the photos were taken."""
    if len(names) > 1 and all_frames(names):
        return True
    times = [taken for name in names if (taken := shots[name].taken) is not None]
    steps = len(times) - 1
    if len(times) < _MOST * len(names) or steps < 1 or len(set(times)) < _MOST * len(times):
        return False
    return sum(_ascends(*two) for two in pairwise(times)) >= _ASCENDING * steps


def _ascends(before: datetime, after: datetime) -> bool:
    return before <= after


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", name.casefold())]


# By place.


def neighbour_pairs(positions: Mapping[str, Position]) -> Iterable[Pair]:
    """Each photo with those taken nearest to it."""
    names = list(positions)
    for name, (nearest, _) in zip(names, _nearest(positions), strict=True):
        for other in nearest:
            yield pair_of(name, names[other])


def _telling(positions: Mapping[str, Position]) -> bool:
    """Whether photos lie far enough apart for their positions to tell neighbours from others."""
    farthest = [distances[-1] for _, distances in _nearest(positions) if len(distances)]
    return bool(farthest) and float(np.median(farthest)) >= _TELLING_METRES


def _nearest(positions: Mapping[str, Position]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Of each position the numbers of the nearest others, the nearest first, and their distances in metres.

    Heights are left out: cameras are often wrong by tens of metres in them. Distances are chords of the globe, so that
    no meridian is special.
    """
    degrees = np.array([(position.latitude, position.longitude) for position in positions.values()])
    latitudes, longitudes = np.radians(degrees).reshape(-1, 2).T
    level = np.cos(latitudes)
    points = np.column_stack([level * np.cos(longitudes), level * np.sin(longitudes), np.sin(latitudes)])
    count = min(NEIGHBOURS, len(points) - 1)
    for index, point in enumerate(points):
        distances = np.sqrt(((points - point) ** 2).sum(axis=1))
        distances[index] = np.inf
        some = np.argpartition(distances, count - 1)[:count] if count else np.zeros(0, np.intp)
        nearest = some[np.argsort(distances[some])]
        yield nearest, _EARTH_RADIUS * distances[nearest]
