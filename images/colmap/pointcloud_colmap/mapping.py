"""Incremental mapping, and the choice of the best model of those that come of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.stages import Reason, StageWarning
from pointcloud_colmap.matching import OVERLAP_REMEDY, Pairs
from pointcloud_colmap.presets import Preset
from pointcloud_colmap.wording import listed
from pointcloud_stage import Reporter, StageFailure
from pointcloud_stage.limits import cpu_limit

_MIN_POINTS: Final = 100
"""Fewer show nothing that a person would recognise."""


def map_models(
    database: Path, photos: Path, *, preset: Preset, total: int, progress: Reporter
) -> list[pycolmap.Reconstruction]:
    """Reconstruct, and give every model, reporting the step `map` in photos registered of `total`.

    Photos that do not connect with the first model may make others of their own.
    """
    options = preset.mapping(num_threads=cpu_limit())
    options.image_path = photos  # where the points get their colours from
    manager = pycolmap.ReconstructionManager()
    with pycolmap.Database.open(database) as connection:
        pipeline = pycolmap.IncrementalPipeline(options, connection, manager)
        callbacks = pycolmap.IncrementalPipelineCallback

        def report() -> None:
            registered = max(model.num_reg_images() for model in _models(manager))
            progress.update("map", registered, total, "images")

        for moment in (callbacks.INITIAL_IMAGE_PAIR_REG_CALLBACK, callbacks.NEXT_IMAGE_REG_CALLBACK):
            pipeline.add_callback(int(moment), report)
        progress.update("map", 0, total, "images")
        pipeline.run()
    return _models(manager)


def _models(manager: pycolmap.ReconstructionManager) -> list[pycolmap.Reconstruction]:
    return [manager.get(index) for index in range(manager.size())]


def best_model(models: Sequence[pycolmap.Reconstruction], pairs: Pairs) -> pycolmap.Reconstruction:
    """The model with the most photos, of equal ones that with the most points: COLMAP's first may be a small one.

    Raises StageFailure: NO_OVERLAP without any model, TOO_FEW_POINTS when the best one shows next to nothing.
    """
    if not models:
        raise StageFailure(
            Reason.NO_OVERLAP,
            f"Of {pairs.matched} pairs of photos {pairs.verified} share features, but none of them enough, or seen "
            "from places far enough apart, to begin a reconstruction.",
            OVERLAP_REMEDY,
        )
    best = max(models, key=lambda model: (model.num_reg_images(), model.num_points3D()))
    if best.num_points3D() < _MIN_POINTS:
        raise StageFailure(
            Reason.TOO_FEW_POINTS,
            f"Only {best.num_points3D()} points could be reconstructed, from {best.num_reg_images()} photos.",
            OVERLAP_REMEDY,
        )
    return best


def registered_names(model: pycolmap.Reconstruction) -> list[str]:
    """Names of the photos that the model places, sorted."""
    return sorted(model.image(image_id).name for image_id in model.reg_image_ids())


def warn_of_unregistered(*, unregistered: Sequence[str], total: int, models: int) -> StageWarning | None:
    """Say which photos the cloud is made without, if any."""
    if not unregistered:
        return None
    apart = f" The photos fall into {models} separate models, of which the largest is shown." if models > 1 else ""
    return StageWarning(
        reason="PartialReconstruction",
        message=f"{total - len(unregistered)} of {total} photos were registered, without {listed(unregistered)}."
        f"{apart} Photos between these and the others, overlapping both, would connect them.",
    )
