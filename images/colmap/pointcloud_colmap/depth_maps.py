"""Depth and normal maps as files in a workspace of COLMAP's: where they are, and whether they are whole.

A map is a text header, `width&height&channels&`, and little-endian float32, channel after channel, each row by row
(https://colmap.github.io/format.html#dense-reconstruction). COLMAP writes it in place, so half of one may lie there
when it is killed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

_HEADER: Final = re.compile(rb"(\d{1,9})&(\d{1,9})&(\d{1,9})&")
_HEADER_BYTES: Final = 32


class Pass(StrEnum):
    """How maps are made: by the photos alone, or with a look at the other views' maps as well."""

    PHOTOMETRIC = "photometric"
    GEOMETRIC = "geometric"


class Kind(StrEnum):
    """What a map holds; the value is the name of its folder."""

    DEPTH = "depth_maps"
    NORMAL = "normal_maps"

    @property
    def channels(self) -> int:
        """Numbers a pixel."""
        return 1 if self is Kind.DEPTH else 3


@dataclass(frozen=True)
class MapFile:
    """One file that an engine makes of a view."""

    view: str
    """Name of the photo."""
    made_in: Pass
    kind: Kind

    def below(self, workspace: Path) -> Path:
        """Where COLMAP has it."""
        return workspace / "stereo" / self.kind / f"{self.view}.{self.made_in}.bin"


def maps_of(view: str, made_in: Pass) -> tuple[MapFile, ...]:
    """What a pass makes of a view."""
    return tuple(MapFile(view, made_in, kind) for kind in Kind)


def has_maps(workspace: Path, view: str, made_in: Pass) -> bool:
    """Whether all that a pass makes of a view is there, and whole."""
    return all(is_whole(file.below(workspace), file.kind) for file in maps_of(view, made_in))


def is_whole(file: Path, kind: Kind) -> bool:
    """Whether a file is a map of that kind, from its beginning to its end."""
    try:
        with file.open("rb") as stream:
            match = _HEADER.match(stream.read(_HEADER_BYTES))
        size = file.stat().st_size
    except FileNotFoundError:
        return False
    if match is None:
        return False
    width, height, channels = map(int, match.groups())
    return channels == kind.channels and size == match.end() + 4 * width * height * channels


def remove_broken(workspace: Path, views: Sequence[str], passes: Sequence[Pass]) -> None:
    """Remove what is there of maps that are not whole, with their partners: COLMAP takes any file for a map."""
    for view, made_in in _all(views, passes):
        if not has_maps(workspace, view, made_in):
            for file in maps_of(view, made_in):
                file.below(workspace).unlink(missing_ok=True)


def _all(views: Sequence[str], passes: Sequence[Pass]) -> Iterator[tuple[str, Pass]]:
    return ((view, made_in) for made_in in passes for view in views)
