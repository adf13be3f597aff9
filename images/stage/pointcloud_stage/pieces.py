"""Pieces of work that pods of a key left in the store: how they are listed, and how another pod finds and takes them.

A pod of the same key may be gone, or run still on a node that fell silent; what it has listed is whole in either case,
for lists are stored after the pieces that they name, and neither is changed ever after.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from pointcloud_api.base import ApiModel
from pointcloud_api.names import artefact_path
from pointcloud_api.stages import Artefact
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.store import TRANSFERS, DamagedObjectError, MissingObjectError, Store

_LIST: Final = re.compile(r"/(?P<pod_uid>[^/]+)/checkpoint/\d+\.json")

T = TypeVar("T")


class Piece(ApiModel):
    """A stored piece of work."""

    name: str
    """What it holds and what that was made with, in the stage program's terms: pieces of one name stand for each
    other."""
    pod_uid: str
    """Of the pod that stored it."""
    file: Artefact


class PieceList(ApiModel):
    """A list as it is stored."""

    pieces: tuple[Piece, ...]


def list_path(number: int) -> str:
    """Where a pod keeps its list of this number, relative to its folder."""
    return f"checkpoint/{number:06}.json"


class LeftPieces:
    """What pods left below one key."""

    def __init__(self, store: Store, prefix: str, *, but_of: str) -> None:
        """`prefix` is the folder of the key in the store; what the pod `but_of` stored itself is left out."""
        self._store = store
        self._prefix = prefix
        self._but_of = but_of

    @cached_property
    def by_name(self) -> Mapping[str, list[Piece]]:
        """All pieces, as of the first look, by their names; several of one name where several pods did the same work.

        A damaged list is left out. Raises StageFailure when the store does not answer.
        """
        found: defaultdict[str, list[Piece]] = defaultdict(list)
        matches = (_LIST.fullmatch(path, len(self._prefix)) for path in self._store.list(self._prefix))
        paths = [match.string for match in matches if match and match["pod_uid"] != self._but_of]
        for _, pieces in in_parallel(self._read, paths, workers=TRANSFERS):
            for piece in pieces:
                found[piece.name].append(piece)
        return found

    def _read(self, path: str) -> tuple[Piece, ...]:
        try:
            return PieceList.model_validate_json(self._store.read(path)).pieces
        except (MissingObjectError, ValueError) as error:
            print(f"a list of what an earlier pod left cannot be used: {path}: {error}")
            return ()

    def bring(self, piece: Piece, to: Path, read: Callable[[Path], T]) -> T | None:
        """Bring a piece to the file `to`, checked, and give what `read` makes of it.

        None when the piece is gone or damaged, or `read` raises ValueError: then its work is to be done again. Raises
        StageFailure when the store does not answer.
        """
        path = artefact_path(self._prefix, piece.pod_uid, piece.file.path)
        try:
            self._store.fetch(path, to=to, size=piece.file.size, sha256=piece.file.sha256)
            return read(to)
        except (MissingObjectError, DamagedObjectError, ValueError) as error:
            print(f"a piece that an earlier pod left cannot be used: {path}: {error or type(error).__name__}")
            return None
