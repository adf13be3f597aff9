"""Places the photos: incremental or global mapping, and the choice of the best model of those that come of it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.resource import Mapper
from pointcloud_api.stages import Reason
from pointcloud_colmap.beating import beating
from pointcloud_colmap.matching import OVERLAP_REMEDY, Pairs
from pointcloud_colmap.snapshots import Snapshots
from pointcloud_stage import Reporter, StageFailure
from pointcloud_stage.checkpoint import Checkpoint

_MIN_POINTS: Final = 100
"""Fewer show nothing that a person would recognise."""
_SMALL: Final = 0.8
"""Share of all photos that makes a model whose photos are fewer than COLMAP's `min_model_size`."""


@dataclass(kw_only=True)
class MapStep:
    """One run of the step `map`, which reports how many photos are registered."""

    database: Path
    photos: Path
    """Folder of the photos, where points get their colours from."""
    scratch: Path
    """An empty folder."""
    total: int
    """Photos."""
    progress: Reporter
    registered: int = 0
    """Photos of the largest model so far."""

    def tell(self, *models: pycolmap.Reconstruction) -> None:
        """Report how far mapping is; without models, that it is still where it was."""
        self.registered = max(self.registered, *(model.num_reg_images() for model in models), 0)
        self.progress.update("map", self.registered, self.total, "images")


def map_globally(step: MapStep, *, options: pycolmap.GlobalPipelineOptions) -> list[pycolmap.Reconstruction]:
    """Place all photos at once, and give every model: one of each part that hangs together.

    It needs focal lengths, so those that EXIF did not tell are estimated first, which changes the database: a copy's.
    """
    calibrated = step.scratch / "calibrated.db"
    # Nobody has the original open, so its write-ahead log is empty or gone.
    shutil.copyfile(step.database, calibrated)
    options.image_path = step.photos
    manager = pycolmap.ReconstructionManager()
    with beating(step.tell):
        pycolmap.calibrate_view_graph(calibrated)
        with pycolmap.Database.open(calibrated) as connection:
            pipeline = pycolmap.GlobalPipeline(options, connection, manager)
            news = pycolmap.GlobalPipelineCallback.MODEL_UPDATE_CALLBACK
            pipeline.add_callback(int(news), lambda: step.tell(*_models(manager)))
            pipeline.run()
    step.tell(*_models(manager))
    return _models(manager)


def map_incrementally(
    step: MapStep, *, options: pycolmap.IncrementalPipelineOptions, snapshots: Snapshots, checkpoint: Checkpoint
) -> list[pycolmap.Reconstruction]:
    """Place one photo after the other, and give every model, going on where an earlier pod of the run was.

    Photos that do not connect with the first model may make others of their own.
    """
    options.image_path = step.photos
    with pycolmap.Database.open(step.database) as connection:
        run = _Incremental(step, options, connection, snapshots)
        brought = snapshots.bring(run.cache)
        step.tell(*brought)
        snapshots.begin()
        with beating(step.tell), checkpoint.gathering(snapshots.last_moments):
            models = run.gone_on(brought) if brought else run.from_nothing()
            if models:
                snapshots.take(models)
            return models


@dataclass
class _Incremental:
    step: MapStep
    options: pycolmap.IncrementalPipelineOptions
    connection: pycolmap.Database
    snapshots: Snapshots

    @cached_property
    def cache(self) -> pycolmap.DatabaseCache:
        """All photos, as far as they have anything in common with others."""
        return self._pipeline([], pycolmap.ReconstructionManager(), names=set()).database_cache

    def from_nothing(self) -> list[pycolmap.Reconstruction]:
        """All models."""
        return self._run([], pycolmap.ReconstructionManager(), names=set())

    def gone_on(self, brought: Sequence[pycolmap.Reconstruction]) -> list[pycolmap.Reconstruction]:
        """All models, the last one brought begun and those before it finished."""
        *finished, begun = brought
        for model in finished:
            model.tear_down()  # photos that are not in it
        names = {image.name for image in self.cache.images.values()}
        manager = pycolmap.ReconstructionManager()
        begun.write_binary(self.step.scratch)
        manager.read(self.step.scratch)
        models = self._run(finished, manager, names=names - _registered(finished))
        # Given a model, COLMAP makes no others.
        rest = names - _registered(models)
        if len(rest) < 2:
            return models
        least = min(self.options.min_model_size, _SMALL * self.step.total)
        more = self._run(models, pycolmap.ReconstructionManager(), names=rest)[len(models) :]
        return [*models, *(model for model in more if model.num_reg_images() >= least)]

    def _run(
        self, finished: list[pycolmap.Reconstruction], manager: pycolmap.ReconstructionManager, *, names: set[str]
    ) -> list[pycolmap.Reconstruction]:
        """The finished models and those made of the named photos; no names stand for all."""
        self._pipeline(finished, manager, names=names).run()
        return [*finished, *_models(manager)]

    def _pipeline(
        self, finished: list[pycolmap.Reconstruction], manager: pycolmap.ReconstructionManager, *, names: set[str]
    ) -> pycolmap.IncrementalPipeline:
        self.options.image_names = sorted(names)
        pipeline = pycolmap.IncrementalPipeline(self.options, self.connection, manager)
        callbacks = pycolmap.IncrementalPipelineCallback

        def report() -> None:
            models = [*finished, *_models(manager)]
            self.step.tell(*models)
            self.snapshots.offer(models)

        for moment in (callbacks.INITIAL_IMAGE_PAIR_REG_CALLBACK, callbacks.NEXT_IMAGE_REG_CALLBACK):
            pipeline.add_callback(int(moment), report)
        return pipeline


def _models(manager: pycolmap.ReconstructionManager) -> list[pycolmap.Reconstruction]:
    return [manager.get(index) for index in range(manager.size())]


def _registered(models: Sequence[pycolmap.Reconstruction]) -> set[str]:
    return {name for model in models for name in registered_names(model)}


def check_models(models: Sequence[pycolmap.Reconstruction], pairs: Pairs, mapper: Mapper) -> None:
    """Raises StageFailure: NO_OVERLAP without any model, TOO_FEW_POINTS when the best shows next to nothing."""
    instead = "Set spec.reconstruction.mapper to incremental, which is slower and bears more. " * (
        mapper is Mapper.GLOBAL
    )
    if not models:
        raise StageFailure(
            Reason.NO_OVERLAP,
            f"Of {pairs.matched} pairs of photos {pairs.verified} share features, but none of them enough, or seen "
            "from places far enough apart, to begin a reconstruction.",
            instead + OVERLAP_REMEDY,
        )
    best = best_model(models)
    if best.num_points3D() < _MIN_POINTS:
        raise StageFailure(
            Reason.TOO_FEW_POINTS,
            f"Only {best.num_points3D()} points could be reconstructed, from {best.num_reg_images()} photos.",
            instead + OVERLAP_REMEDY,
        )


def best_model(models: Sequence[pycolmap.Reconstruction]) -> pycolmap.Reconstruction:
    """The model with the most photos, of equal ones that with the most points: COLMAP's first may be a small one."""
    return max(models, key=lambda model: (model.num_reg_images(), model.num_points3D()))


def registered_names(model: pycolmap.Reconstruction) -> list[str]:
    """Names of the photos that the model places, sorted."""
    return sorted(model.image(image_id).name for image_id in model.reg_image_ids())
