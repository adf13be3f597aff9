"""Keeps the pairs of photos that were compared for later attempts and later runs, and brings those that they left.

COLMAP passes over a pair whose matches and geometry are in the database. So what earlier pods found out is entered
there, and what is not yet stored below the run's key is stored, in blocks, while the matching goes on.
"""

import hashlib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_colmap.pair_files import ComparedPair, read_pairs, write_pairs
from pointcloud_colmap.pairing import Pair, pair_of
from pointcloud_stage import StageFailure
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.pieces import LeftPieces
from pointcloud_stage.store import TRANSFERS

_BLOCK: Final = 1000
"""Pairs in one file at most: some tens of megabytes."""


class KeptPairs:
    """The compared pairs of a run."""

    def __init__(self, digests: Mapping[str, str], *, recipe: str, checkpoint: Checkpoint, scratch: Path) -> None:
        """`digests` are the SHA-256 of the kept features by name of the photo.

        `recipe` is the digest of what photos are compared with; `scratch` is a folder of this object's own.
        """
        self._digests = digests
        self._prefix = f"pairs/{recipe}/"
        self.scratch = scratch
        self._missing: set[Pair] = set()
        """Pairs that are not kept under this run's key yet."""
        self._blocks = 0
        self.checkpoint = checkpoint
        self.brought: set[Pair] = set()
        """Pairs that need not be compared."""
        self.from_attempts = 0
        """Pairs of them that earlier pods of this run had stored."""
        scratch.mkdir()

    @property
    def from_run(self) -> int:
        """Pairs of them that an earlier run had stored."""
        return len(self.brought) - self.from_attempts

    def bring(self, attempts: LeftPieces, run: LeftPieces | None, database: Path, *, wanted: AbstractSet[Pair]) -> None:
        """Enter into the database those of the wanted pairs that earlier pods of this run, and an earlier run, left.

        As far as they can be had: what is gone or damaged costs the time to compare those pairs again. Pairs that are
        not wanted are left out, so that a result does not depend on what was tried before.
        """
        self._missing = set(wanted)
        try:
            for file in self._fetched(attempts):
                self._enter(file, database, wanted)
            self._missing -= self.brought
            self.from_attempts = len(self.brought)
            for file in self._fetched(run) if run else ():
                self._enter(file, database, wanted)
        except StageFailure as failure:
            print(f"not all pairs that were kept can be used: {failure}")
        print(f"{self.from_attempts} pairs were compared by earlier attempts, {self.from_run} by an earlier run")

    def _fetched(self, left: LeftPieces) -> Iterator[Path]:
        wanted = [pieces for name, pieces in left.by_name.items() if name.startswith(self._prefix)]

        def fetch(block: int) -> Path | None:
            to = self.scratch / f"{block:06}.npy"
            return next((to for piece in wanted[block] if left.bring(piece, to, Path.exists)), None)

        for _, file in in_parallel(fetch, range(len(wanted)), workers=TRANSFERS):
            if file is not None:
                yield file
                file.unlink()

    def _enter(self, file: Path, database: Path, wanted: AbstractSet[Pair]) -> None:
        with pycolmap.Database.open(database) as connection:
            ids = {image.name: image.image_id for image in connection.read_all_images()}
            try:
                found = {pair_of(*pair.names): pair for pair in read_pairs(file, self._digests)}
            except ValueError as error:
                print(f"pairs that an earlier pod left cannot be used: {error}")
                return
            new = (wanted & found.keys()) - self.brought
            with pycolmap.DatabaseTransaction(connection):
                for pair in (found[name] for name in new):
                    first, second = (ids[name] for name in pair.names)
                    connection.write_matches(first, second, pair.matches)
                    connection.write_two_view_geometry(first, second, pair.geometry)
        self.brought |= new

    def keep_new(self, connection: pycolmap.Database) -> None:
        """Keep the wanted pairs in the database that are not kept yet, in blocks."""
        ids = {image.name: image.image_id for image in connection.read_all_images()}
        # The geometry is written last.
        new = sorted(p for p in self._missing if connection.exists_two_view_geometry(ids[p[0]], ids[p[1]]))
        for start in range(0, len(new), _BLOCK):
            block = new[start : start + _BLOCK]
            self._keep([_compared(connection, pair, ids) for pair in block])
            self._missing.difference_update(block)

    def _keep(self, pairs: list[ComparedPair]) -> None:
        file = self.scratch / f"{self._blocks:06}.new.npy"
        write_pairs(file, pairs, self._digests)
        self.checkpoint.keep(self._prefix + self._digest(pairs), f"pairs/{self._blocks:06}.npy", file)
        self._blocks += 1

    def _digest(self, pairs: list[ComparedPair]) -> str:
        """Of which pairs these are, and of which features."""
        of = sorted([(name, self._digests[name]) for name in pair.names] for pair in pairs)
        return hashlib.sha256(repr(of).encode()).hexdigest()


def _compared(connection: pycolmap.Database, pair: Pair, ids: Mapping[str, int]) -> ComparedPair:
    first, second = (ids[name] for name in pair)
    matches = connection.read_matches(first, second)
    return ComparedPair(pair, matches, connection.read_two_view_geometry(first, second))
