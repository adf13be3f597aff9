"""How far an upload is: the farthest offset that its parts reach without a gap. Pure.

Parts are only ever added, each under a name made of its offset and its hash, and an offset is told only once the parts
that lead to it are stored. So two requests that continue one upload at once (a client that reconnects before the
server has noticed that it was gone) need no lock, and a process that dies between any two writes leaves nothing wrong:
whatever parts exist, each path through them from 0 to the announced length is the file.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

_NAME: Final = re.compile(r"(\d{16})-([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, order=True)
class Part:
    """A piece of an upload: `size` bytes from `offset` on."""

    offset: int
    size: int
    sha256: str

    @classmethod
    def parse(cls, name: str, size: int) -> Self | None:
        """The part of that name and size; None for what is no part."""
        found = _NAME.fullmatch(name)
        return None if found is None else cls(int(found[1]), size, found[2])

    @property
    def name(self) -> str:
        """Of the part's object. Equal parts are one object."""
        return f"{self.offset:016d}-{self.sha256}"

    @property
    def end(self) -> int:
        """The offset of what comes next."""
        return self.offset + self.size


def reach(parts: Iterable[Part]) -> int:
    """The farthest offset to which a chain of parts leads from 0."""
    return max(_arrivals(parts), default=0)


def chain(parts: Iterable[Part], length: int) -> tuple[Part, ...]:
    """Parts that make up an upload of `length` bytes, long ones being preferred. Raises ValueError where none do."""
    arrivals = _arrivals(parts)
    found: list[Part] = []
    at = length
    while at > 0:
        if at not in arrivals:
            raise ValueError(f"the parts do not lead to {length} bytes")
        found.append(arrivals[at])
        at = arrivals[at].offset
    return tuple(reversed(found))


def _arrivals(parts: Iterable[Part]) -> dict[int, Part]:
    """By each offset that is reached, the part by which it is."""
    arrivals: dict[int, Part] = {}
    for part in sorted(parts):
        if part.offset == 0 or part.offset in arrivals:
            arrivals.setdefault(part.end, part)
    return arrivals
