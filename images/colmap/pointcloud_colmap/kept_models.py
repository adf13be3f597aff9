"""Keeps the finished models of a run, so that a later pod makes depth maps of the very same one.

Mapping that goes on from a snapshot may end with a model that differs a little, which maps made before would not fit.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pycolmap

from pointcloud_colmap.kept_maps import prefix_of
from pointcloud_colmap.model_files import read_models, write_models
from pointcloud_stage import StageFailure
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.pieces import LeftPieces, Piece


class KeptModels:
    """The models of a run as they were before points were removed and all was moved to its place."""

    def __init__(
        self, digests: Mapping[str, str], *, recipe: str, maps_recipe: str, checkpoint: Checkpoint, scratch: Path
    ) -> None:
        """`digests` are the SHA-256 of the kept features by name of the photo.

        `recipe` is the digest of what is mapped with, `maps_recipe` that of what makes depth maps; `scratch` is a
        folder of this object's own.
        """
        self._digests = digests
        self._prefix = f"models/{recipe}/"
        self._maps_recipe = maps_recipe
        self._checkpoint = checkpoint
        self._scratch = scratch
        self.merged = 0
        """How many models were joined to the largest of those that were brought."""
        self.digest = ""
        """SHA-256 of the models' file, once they were brought or kept."""
        scratch.mkdir()

    def bring(self, attempts: LeftPieces, database: Path) -> list[pycolmap.Reconstruction]:
        """The models that an earlier pod of this run had finished, of several those with the most maps; or none."""
        try:
            candidates = self._candidates(attempts)
            if not candidates:
                return []
            with pycolmap.Database.open(database) as connection:
                cache = pycolmap.DatabaseCache.create(connection, pycolmap.DatabaseCacheOptions())
            file = self._scratch / "brought.npy"
            for piece in candidates:
                models = attempts.bring(piece, file, lambda it: read_models(it, cache, self._digests))
                if models:
                    for model in models:
                        model.tear_down()  # photos that are not in it
                    self.merged = int(piece.name.removeprefix(self._prefix))
                    self.digest = piece.file.sha256
                    return models
        except StageFailure as failure:
            print(f"models that were kept cannot be used: {failure}")
        return []

    def _candidates(self, attempts: LeftPieces) -> list[Piece]:
        found = [
            piece for name, pieces in attempts.by_name.items() if name.startswith(self._prefix) for piece in pieces
        ]

        def maps(piece: Piece) -> int:
            prefix = prefix_of(self._maps_recipe, piece.file.sha256)
            return sum(name.startswith(prefix) for name in attempts.by_name)

        return sorted(found, key=lambda piece: (-maps(piece), piece.pod_uid))

    def keep(self, models: Sequence[pycolmap.Reconstruction], *, merged: int) -> None:
        """Keep the models, the one to be shown first."""
        file = self._scratch / "new.npy"
        write_models(file, models, self._digests)
        self.digest = self._checkpoint.keep(f"{self._prefix}{merged}", "models/models.npy", file).file.sha256
