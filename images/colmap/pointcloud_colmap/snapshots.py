"""Keeps the models that mapping is making, now and then, so that a later pod of the run goes on with them.

COLMAP can write snapshots by itself, every so many photos, however long that takes; here they take a twentieth of the
time at most, and go to the store like every other piece of work.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_colmap.model_files import read_models, write_models
from pointcloud_stage import StageFailure
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.pieces import LeftPieces, Piece

_LEAST_SECONDS: Final = 2.0
_SHARE: Final = 8
"""A snapshot is taken when mapping has gone on for an eighth of what the one before holds: as many more at twice the
time, whether that is minutes or days, so that the store does not fill with them."""
_REST: Final = 20
"""Times as long as a snapshot took, before the next: all of them take a twentieth of the time at most."""
_NOTICE_SECONDS: Final = 10.0
"""How long SIGTERM waits for mapping to come to where a snapshot can be taken."""


class Snapshots:
    """The snapshots of a run."""

    def __init__(
        self,
        digests: Mapping[str, str],
        *,
        recipe: str,
        checkpoint: Checkpoint,
        scratch: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`digests` are the SHA-256 of the kept features by name of the photo.

        `recipe` is the digest of what is mapped with; `scratch` is a folder of this object's own.
        """
        self._digests = digests
        self._prefix = f"snapshots/{recipe}/"
        self._scratch = scratch
        self._checkpoint = checkpoint
        self._clock = clock
        self._taken = 0
        self._begun = self._due = clock()
        self._called_for = threading.Event()
        self._answered = threading.Event()
        self._left: list[tuple[LeftPieces, Piece]] = []
        scratch.mkdir()

    def find(self, attempts: LeftPieces) -> None:
        """Look for what earlier pods of this run left, the most advanced first."""
        try:
            found = {
                (name.removeprefix(self._prefix), piece.pod_uid): (attempts, piece)
                for name, pieces in attempts.by_name.items()
                if name.startswith(self._prefix)
                for piece in pieces
            }
        except StageFailure as failure:
            print(f"snapshots that were kept cannot be used: {failure}")
            return
        self._left = [found[key] for key in sorted(found, reverse=True)]

    def bring(self, cache: pycolmap.DatabaseCache) -> list[pycolmap.Reconstruction]:
        """The models of the most advanced snapshot that can be used, the one that was in the making last; or none."""
        file = self._scratch / "brought.npy"
        for left, piece in self._left:
            try:
                models = left.bring(piece, file, lambda it: read_models(it, cache, self._digests))
            except StageFailure as failure:
                print(f"snapshots that were kept cannot be used: {failure}")
                break
            if models:
                print(f"mapping goes on with {[model.num_reg_images() for model in models]} photos of a snapshot")
                return models
        return []

    def begin(self) -> None:
        """Mapping begins: time counts from now."""
        self._begun = self._clock()
        self._due = self._begun + _LEAST_SECONDS

    def offer(self, models: Sequence[pycolmap.Reconstruction]) -> None:
        """Take a snapshot of the models, the one in the making last, if it is time; they must not change meanwhile."""
        called_for = self._called_for.is_set() and not self._answered.is_set()
        if called_for or self._clock() >= self._due:
            self.take(models)

    def take(self, models: Sequence[pycolmap.Reconstruction]) -> None:
        """Take a snapshot now."""
        begun = self._clock()
        self._keep(models)
        ended = self._clock()
        self._due = ended + max(_LEAST_SECONDS, _REST * (ended - begun), (ended - self._begun) / _SHARE)
        if self._called_for.is_set():
            self._answered.set()

    def last_moments(self) -> None:
        """Wait for a moment at which a snapshot can be taken, though not for ever: for `Checkpoint.gathering`."""
        self._called_for.set()
        self._answered.wait(_NOTICE_SECONDS)

    def _keep(self, models: Sequence[pycolmap.Reconstruction]) -> None:
        file = self._scratch / f"{self._taken:06}.new.npy"
        write_models(file, models, self._digests)
        photos = sum(model.num_reg_images() for model in models)
        self._checkpoint.keep(f"{self._prefix}{photos:06}", f"snapshots/{self._taken:06}.npy", file)
        self._taken += 1
