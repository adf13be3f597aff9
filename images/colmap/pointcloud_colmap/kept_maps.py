"""Keeps depth and normal maps for later pods of the run, and brings those that earlier ones left.

A map belongs to the very model that it was made from: mapping again may give another one. So maps are kept under the
hash of the model's file (`kept_models.py`), and under the recipe of what makes them. They are stored as COLMAP writes
them, 16 bytes a pixel and pass: at work on a GPU a pod makes some ten megabytes a second of them.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pointcloud_colmap.depth_maps import MapFile, Pass, has_maps, is_whole, maps_of, remove_broken
from pointcloud_stage import StageFailure
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.pieces import LeftPieces
from pointcloud_stage.store import TRANSFERS

_REST: Final = 20
"""Times as long as keeping took, before the next: it takes a twentieth of one processor at most."""


def prefix_of(recipe: str, model: str) -> str:
    """What the names of pieces begin with that hold maps of a model, which is named by its SHA-256."""
    return f"maps/{recipe}/{model}/"


class KeptMaps:
    """The maps of one model's views in one workspace. Threads may share it."""

    def __init__(  # noqa: PLR0913 - what maps depend on, and where they are and go, by keyword
        self,
        *,
        recipe: str,
        model: str,
        passes: Sequence[Pass],
        workspace: Path,
        views: Sequence[str],
        checkpoint: Checkpoint,
        scratch: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`model` is the SHA-256 of the model's file; `scratch` a folder of this object's own beside the workspace."""
        self._prefix = prefix_of(recipe, model)
        self._passes = passes
        self._workspace = workspace
        self._views = {view: number for number, view in enumerate(views)}
        self.checkpoint = checkpoint
        self._scratch = scratch
        self._clock = clock
        self._due = 0.0
        self._lock = threading.Lock()
        self._done: set[MapFile] = set()
        """Files that are kept."""
        self._whole: set[tuple[str, Pass]] = set()
        """Of which all files were seen to be whole, which nobody changes any more."""
        self.from_attempts = 0
        """Maps, each with its normals, that earlier pods of this run had stored."""
        scratch.mkdir()

    @property
    def total(self) -> int:
        """Maps that there are to be, each with its normals."""
        return len(self._passes) * len(self._views)

    def bring(self, attempts: LeftPieces) -> None:
        """Bring what earlier pods of this run left; what is gone or damaged is to be made again."""
        try:
            wanted = [file for made_in in self._passes for view in self._views for file in maps_of(view, made_in)]
            there = [file for file in wanted if self._name(file) in attempts.by_name]
            for file, whole in in_parallel(lambda file: self._fetch(file, attempts), there, workers=TRANSFERS):
                if whole:
                    self._done.add(file)
        except StageFailure as failure:
            print(f"not all depth maps that were kept can be used: {failure}")
        remove_broken(self._workspace, list(self._views), self._passes)
        self.from_attempts = len(self._found())
        self._done = {file for file in self._done if file.below(self._workspace).exists()}
        print(f"{self.from_attempts} of {self.total} depth maps come from earlier attempts")

    def _fetch(self, file: MapFile, attempts: LeftPieces) -> bool:
        arrived = self._scratch / self._path(file).replace("/", "-")
        for piece in attempts.by_name[self._name(file)]:
            if attempts.bring(piece, arrived, lambda it: is_whole(it, file.kind) or None):
                to = file.below(self._workspace)
                to.parent.mkdir(parents=True, exist_ok=True)
                arrived.replace(to)
                return True
        return False

    def count(self) -> int:
        """How many maps are whole, each with its normals; keeps those that are new, unless it has just done so."""
        with self._lock:
            if self._clock() >= self._due:
                self._keep()
            return len(self._found())

    def keep_new(self) -> None:
        """Keep all that are new, at once."""
        with self._lock:
            self._keep()

    def _keep(self) -> None:
        begun = self._clock()
        for view, made_in in self._found():
            for file in maps_of(view, made_in):
                if file not in self._done:
                    self._keep_one(file)
        ended = self._clock()
        self._due = ended + _REST * (ended - begun)

    def _keep_one(self, file: MapFile) -> None:
        """By another name of the same file: the checkpoint removes what it has stored."""
        path = self._path(file)
        linked = self._scratch / path.replace("/", "-")
        linked.unlink(missing_ok=True)
        os.link(file.below(self._workspace), linked)
        self.checkpoint.keep(self._name(file), path, linked)
        self._done.add(file)

    def without(self) -> list[str]:
        """Views that the last pass left no whole map of."""
        with self._lock:
            found = self._found()
            return [view for view in self._views if (view, self._passes[-1]) not in found]

    def _found(self) -> set[tuple[str, Pass]]:
        for made_in in self._passes:
            for view in self._views:
                if (view, made_in) not in self._whole and has_maps(self._workspace, view, made_in):
                    self._whole.add((view, made_in))
        return self._whole

    def _name(self, file: MapFile) -> str:
        return f"{self._prefix}{file.made_in}/{file.kind}/{file.view}"

    def _path(self, file: MapFile) -> str:
        return f"maps/{file.made_in}/{file.kind}/{self._views[file.view]:06}.bin"
