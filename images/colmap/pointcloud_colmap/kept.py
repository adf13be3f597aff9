"""Keeps the features of photos for later attempts and later runs, and brings those that they left.

A pod is stopped in the middle, photos are added to a job, or a setting of matching is changed: the features of most
photos are known already. They are kept one file a photo, as they are extracted, and stored once below a key, by
whichever of its pods had them first. A run keeps the features of all its photos, also those that it took over from the
run before it, so that no run needs what any run but the one before it left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pycolmap

from pointcloud_colmap.feature_files import read_features, write_features
from pointcloud_colmap.photos import Photos
from pointcloud_stage import Reporter, StageFailure
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.pieces import LeftPieces, Piece
from pointcloud_stage.store import TRANSFERS


@dataclass(frozen=True)
class _Candidate:
    """A stored piece with the features of a photo."""

    left: LeftPieces
    piece: Piece
    of_this_run: bool


class KeptFeatures:
    """The features of a run's photos that are in the store below the run's key, or on their way there."""

    def __init__(self, photos: Photos, *, recipe: str, checkpoint: Checkpoint, scratch: Path) -> None:
        """`recipe` is the digest of what features are extracted with; `scratch` is a folder of this object's own."""
        self._photos = photos
        self._recipe = recipe
        self._scratch = scratch
        self.checkpoint = checkpoint
        self.brought: dict[str, Path] = {}
        """Files for `read_features` by name of the photo: features that need not be extracted."""
        self.from_attempts = 0
        """Photos whose features an earlier pod of this run had stored."""
        self._pieces: dict[str, Piece] = {}
        scratch.mkdir()

    @property
    def from_run(self) -> int:
        """Photos whose features an earlier run had stored."""
        return len(self.brought) - self.from_attempts

    def bring(self, attempts: LeftPieces, run: LeftPieces | None, progress: Reporter) -> None:
        """Bring what earlier pods of this run, and an earlier run, left of these photos, reporting the step `reuse`.

        What is gone, is damaged or was extracted with other settings is left out, and so is the rest when the store
        ceases to answer: it costs the time to extract it again.
        """
        files: dict[str, Path] = {}
        try:
            candidates = self._candidates(attempts, of_this_run=True)
            for photo, more in self._candidates(run, of_this_run=False).items():
                candidates.setdefault(photo, []).extend(more)
            brought = in_parallel(lambda photo: self._fetch(photo, candidates[photo]), candidates, workers=TRANSFERS)
            for done, (photo, found) in enumerate(brought, start=1):
                progress.update("reuse", done, len(candidates), "images")
                if found is None:
                    continue
                files[photo] = self._file(photo)
                if found.of_this_run:
                    self._pieces[photo] = found.piece
        except StageFailure as failure:
            print(f"not all features that were kept can be used: {failure}")
        origins = {name: self._photos.origin(name) for name in self._photos.names}
        self.brought = {name: files[origin] for name, origin in origins.items() if origin in files}
        self.from_attempts = sum(origin in self._pieces for origin in origins.values())
        print(
            f"the features of {self.from_attempts} of {len(origins)} photos come from earlier attempts, of "
            f"{self.from_run} from an earlier run"
        )

    def _candidates(self, left: LeftPieces | None, *, of_this_run: bool) -> dict[str, list[_Candidate]]:
        """By the photo's origin."""
        if left is None:
            return {}
        wanted = dict.fromkeys(self._photos.origin(name) for name in self._photos.names)
        found = ((photo, left.by_name.get(self._name(photo), [])) for photo in wanted)
        return {photo: [_Candidate(left, piece, of_this_run) for piece in some] for photo, some in found if some}

    def _fetch(self, photo: str, candidates: Sequence[_Candidate]) -> _Candidate | None:
        to = self._file(photo)
        return next((c for c in candidates if c.left.bring(c.piece, to, read_features) is not None), None)

    def keep_new(self, connection: pycolmap.Database) -> int:
        """Keep the features in the database that are not kept yet, and give the number of photos that have any."""
        present = [image for image in connection.read_all_images() if connection.exists_descriptors(image.image_id)]
        for image in present:
            photo = self._photos.origin(image.name)
            if photo in self._pieces:
                continue
            file = self._scratch / f"{photo}.new.npy"
            arrays = (connection.read_keypoints(image.image_id), connection.read_descriptors(image.image_id))
            write_features(file, arrays)
            self._pieces[photo] = self.checkpoint.keep(self._name(photo), f"features/{photo}.npy", file)
        return len(present)

    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the kept features by name of the photo."""
        origins = {name: self._photos.origin(name) for name in self._photos.names}
        return {name: self._pieces[origin].file.sha256 for name, origin in origins.items() if origin in self._pieces}

    def _name(self, photo: str) -> str:
        return f"features/{self._recipe}/{photo}"

    def _file(self, photo: str) -> Path:
        return self._scratch / f"{photo}.npy"
