"""The reconstruct stage from end to end: photos, features, pairs, models, and the best one made ready to be shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pycolmap

from pointcloud_api import __version__
from pointcloud_api.resource import Quality
from pointcloud_api.stages import Figures, ReconstructDocument, StageWarning
from pointcloud_colmap.device import Device, choose_device
from pointcloud_colmap.export import export
from pointcloud_colmap.features import extract_features, warn_of_poor_photos
from pointcloud_colmap.mapping import best_model, map_models, registered_names, warn_of_unregistered
from pointcloud_colmap.matching import Pairs, match_features
from pointcloud_colmap.orientation import level
from pointcloud_colmap.photos import fetch_photos
from pointcloud_colmap.presets import PRESETS, Preset
from pointcloud_colmap.report import Model, Report, Stopwatch
from pointcloud_colmap.view import choose_view
from pointcloud_stage import Outcome, StageContext


@dataclass(frozen=True, kw_only=True)
class _Reconstruction:
    """What the steps came to, and with what."""

    device: Device
    preset: Preset
    features: Mapping[str, int]
    pairs: Pairs
    models: Sequence[pycolmap.Reconstruction]
    best: pycolmap.Reconstruction
    seconds: Mapping[str, float]

    @property
    def unregistered(self) -> tuple[str, ...]:
        return tuple(sorted(self.features.keys() - set(registered_names(self.best))))


def reconstruct(context: StageContext[ReconstructDocument]) -> Outcome:
    """Run the stage. Raises StageFailure when nothing can be reconstructed from the photos."""
    context.progress.plan(download=5, inspect=1, extract=50, match=30, map=12, export=2)
    device, gpu_not_used = choose_device(context.document.device)
    made = _run(context, device)
    partial = warn_of_unregistered(unregistered=made.unregistered, total=len(made.features), models=len(made.models))
    found = (gpu_not_used, warn_of_poor_photos(made.features), partial)
    warnings = tuple(warning for warning in found if warning is not None)
    figures = _figures(made, before=context.upstream.figures if context.upstream else Figures())
    folder = context.scratch / "outcome"
    context.progress.update("export", 0, 1, "models")
    artefacts = export(
        made.best,
        folder,
        view=choose_view(made.best, title=context.document.name),
        report=_report(made, figures=figures, quality=context.document.settings.quality, warnings=warnings),
    )
    context.progress.update("export", 1, 1, "models")
    return Outcome(folder=folder, artefacts=artefacts, figures=figures, warnings=warnings)


def _run(context: StageContext[ReconstructDocument], device: Device) -> _Reconstruction:
    preset = PRESETS[context.document.settings.quality].on(device)
    progress = context.progress
    database = context.scratch / "database.db"
    stopwatch = Stopwatch()
    with stopwatch.step("download"):
        photos = fetch_photos(context)
    with stopwatch.step("extract"):
        features = extract_features(database, photos, preset=preset, device=device, progress=progress)
    with stopwatch.step("match"):
        pairs = match_features(database, preset=preset, device=device, progress=progress)
    with stopwatch.step("map"):
        models = map_models(database, photos.folder, preset=preset, total=len(features), progress=progress)
    best = best_model(models, pairs)
    level(best)
    best.update_point_3d_errors()
    return _Reconstruction(
        device=device,
        preset=preset,
        features=features,
        pairs=pairs,
        models=models,
        best=best,
        seconds=stopwatch.seconds,
    )


def _figures(made: _Reconstruction, *, before: Figures) -> Figures:
    return before.model_copy(
        update={
            "images_usable": len(made.features),
            "images_registered": made.best.num_reg_images(),
            "models": len(made.models),
            "points": made.best.num_points3D(),
            "mean_reprojection_error": round(made.best.compute_mean_reprojection_error(), 4),
            "mean_track_length": round(made.best.compute_mean_track_length(), 4),
            "device": made.device.value,
        }
    )


def _report(made: _Reconstruction, *, figures: Figures, quality: Quality, warnings: tuple[StageWarning, ...]) -> Report:
    others = (model for model in made.models if model is not made.best)
    return Report(
        figures=figures,
        unregistered=made.unregistered,
        cameras=made.best.num_cameras(),
        pairs_matched=made.pairs.matched,
        pairs_verified=made.pairs.verified,
        models=tuple(Model.of(model) for model in (made.best, *others)),
        seconds=dict(made.seconds),
        versions={"pointcloud": __version__, "colmap": pycolmap.__version__},
        quality=quality,
        settings=made.preset,
        warnings=warnings,
    )
