"""The reconstruct stage from end to end: photos, features, pairs, models, and the best one made ready to be shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api import __version__
from pointcloud_api.resource import Mapper, ReconstructionExport
from pointcloud_api.stages import Figures, ReconstructDocument, ReconstructSettings, StageWarning
from pointcloud_colmap.beating import beating
from pointcloud_colmap.cleaning import Removed, remove_outliers
from pointcloud_colmap.dense_presets import DENSE_PRESETS
from pointcloud_colmap.densify import DenseStep, Densified
from pointcloud_colmap.device import Device, choose_device
from pointcloud_colmap.engines import Engine, EngineFor, choose_engine, engine_for
from pointcloud_colmap.exif import read_shots
from pointcloud_colmap.export import export_account, export_model, export_on_request
from pointcloud_colmap.features import Extraction, extract_features
from pointcloud_colmap.kept import KeptFeatures
from pointcloud_colmap.kept_models import KeptModels
from pointcloud_colmap.kept_pairs import KeptPairs
from pointcloud_colmap.mapping import MapStep, check_models, map_globally, map_incrementally
from pointcloud_colmap.matching import Pairs, chosen_pairs, match_features
from pointcloud_colmap.memory import available_memory, extraction_threads, matching_threads
from pointcloud_colmap.merging import merge_models
from pointcloud_colmap.observations import Observations
from pointcloud_colmap.pairing import Choice, all_frames, choose
from pointcloud_colmap.photo_figures import photo_figures
from pointcloud_colmap.photos import Photos, fetch_photos
from pointcloud_colmap.placement import Placement, place
from pointcloud_colmap.presets import PRESETS, Preset
from pointcloud_colmap.report import MatchingReport, Model, Report, Stopwatch, TakenOver
from pointcloud_colmap.shares import USUAL_PHOTOS, all_pairs, shares
from pointcloud_colmap.snapshots import Snapshots
from pointcloud_colmap.undistortion import warn_of_panoramas
from pointcloud_colmap.unregistered import Unregistered, explain, warn_of_unregistered
from pointcloud_colmap.view import choose_view
from pointcloud_stage import Outcome, StageContext
from pointcloud_stage.limits import cpu_limit
from pointcloud_stage.pieces import LeftPieces

_EXPORTS: Final = 2
"""Parts of the step `export`: the cloud is placed and written."""


@dataclass(frozen=True, kw_only=True)
class _Reconstruction:
    """What the steps came to, and with what."""

    device: Device
    preset: Preset
    fewer_threads: Sequence[StageWarning]
    photos: Photos
    features: Mapping[str, int]
    kept: KeptFeatures
    kept_pairs: KeptPairs
    choice: Choice
    pairs: Pairs
    models: Sequence[pycolmap.Reconstruction]
    """The largest first."""
    merged: int
    unregistered: tuple[Unregistered, ...]
    removed: Removed
    placement: Placement
    not_dense: StageWarning | None
    """Why no dense cloud was tried for, where one might have been."""
    densified: Densified
    not_undistorted: StageWarning | None
    """Why undistorted photos are not made though they are asked for."""
    stopwatch: Stopwatch

    @property
    def best(self) -> pycolmap.Reconstruction:
        return self.models[0]

    @property
    def warnings(self) -> tuple[StageWarning, ...]:
        partial = warn_of_unregistered(self.unregistered, total=len(self.features))
        found = (*self.fewer_threads, partial, self.choice.warning, self.placement.warning, self.not_undistorted)
        dense = (self.not_dense, self.densified.warning)
        return tuple(warning for warning in (*found, *dense) if warning is not None)


@dataclass(frozen=True, kw_only=True)
class _Means:
    """What the stage works with."""

    device: Device
    engine: Engine | None
    """What depth is computed with; None where the cloud is to be sparse."""
    not_dense: StageWarning | None
    """Why it is to be."""

    def plan(self, context: StageContext[ReconstructDocument], photos: int, pairs: int) -> None:
        """Declare the steps."""
        settings = context.document.settings
        archive = ReconstructionExport.UNDISTORTED_IMAGES in settings.exports
        depth = self.engine.cost if self.engine else 0
        context.progress.plan(**shares(photos, pairs, settings.quality, self.device, depth=depth, archive=archive))


def reconstruct(context: StageContext[ReconstructDocument], engine_for: EngineFor = engine_for) -> Outcome:
    """Run the stage, with the depth engine that `engine_for` knows for the device.

    Raises StageFailure when nothing can be reconstructed from the photos.
    """
    settings = context.document.settings
    device, gpu_not_used = choose_device(context.document.device)
    engine, not_dense = choose_engine(settings.density, engine_for(device, settings.quality))
    means = _Means(device=device, engine=engine, not_dense=not_dense)
    means.plan(context, USUAL_PHOTOS, all_pairs(USUAL_PHOTOS))
    with context.checkpoint as checkpoint:
        made = _run(context, means)
        checkpoint.settle()
    warnings = (gpu_not_used, *made.warnings) if gpu_not_used else made.warnings
    figures = _figures(made, before=context.upstream.figures if context.upstream else Figures())
    folder = context.scratch / "outcome"
    artefacts = _export(made, context, folder, figures=figures, warnings=warnings)
    return Outcome(folder=folder, artefacts=artefacts, figures=figures, warnings=warnings)


def _run(context: StageContext[ReconstructDocument], means: _Means) -> _Reconstruction:
    device, settings = means.device, context.document.settings
    preset = PRESETS[settings.quality].on(device)
    progress = context.progress
    database = context.scratch / "database.db"
    stopwatch = Stopwatch()
    with stopwatch.step("download"):
        photos = fetch_photos(context)
        shots = read_shots(photos)
        choice = choose(shots, settings.matching)
        means.plan(context, len(photos.names), choice.expected(len(photos.names)))
        earlier = context.document.previous_key
        attempts, run = context.left(), context.left(earlier) if earlier else None
        kept = KeptFeatures(
            photos,
            recipe=preset.extraction_recipe(device),
            checkpoint=context.checkpoint,
            scratch=context.scratch / "features",
        )
        kept.bring(attempts, run, progress)
    bounds = {"cpus": cpu_limit(), "memory": available_memory()}
    with stopwatch.step("extract"):
        extracting = extraction_threads(photos.sizes, preset, device, **bounds)
        how = Extraction(
            preset=preset,
            device=device,
            threads=extracting.count,
            camera_model=settings.camera_model,
            camera_sharing=settings.camera_sharing,
        )
        features = extract_features(database, photos, kept=kept, how=how, progress=progress)
    with stopwatch.step("alike"):
        wanted = chosen_pairs(database, choice, scratch=context.scratch, progress=progress)
        means.plan(context, len(photos.names), len(wanted))
    with stopwatch.step("match"):
        kept_pairs = KeptPairs(
            kept.digests(),
            recipe=preset.matching_recipe(device, settings.camera_model, settings.camera_sharing),
            checkpoint=context.checkpoint,
            scratch=context.scratch / "pairs",
        )
        kept_pairs.bring(attempts, run, database, wanted=wanted)
        matching = matching_threads(features.values(), preset, device, **bounds)
        pairs = match_features(
            database, wanted, kept=kept_pairs, preset=preset, device=device, threads=matching.count, progress=progress
        )
    step = MapStep(
        database=database,
        photos=photos.folder,
        scratch=context.scratch / "map",
        total=len(photos.names),
        progress=progress,
    )
    mapped = _map_or_bring(context, means, step, photos, kept=kept, attempts=attempts, pairs=pairs, stopwatch=stopwatch)
    models = mapped.models
    with stopwatch.step("explain"), beating(step.tell):
        unregistered = explain(models, features=features, pairs=pairs, database=database, folder=photos.folder)
    best = models[0]
    with stopwatch.step("clean"):
        removed = remove_outliers(best)
    densified = _densify(context, means, mapped, photos, attempts=attempts, stopwatch=stopwatch)
    progress.update("export", 0, _EXPORTS, "steps")
    with stopwatch.step("align"):
        placement = place(best, shots, settings.georeference)
        if densified.cloud:
            densified.cloud.transform(placement.from_model)
    best.update_point_3d_errors()
    return _Reconstruction(
        device=device,
        preset=preset,
        fewer_threads=[step.warning for step in (extracting, matching) if step.warning],
        photos=photos,
        features=features,
        kept=kept,
        kept_pairs=kept_pairs,
        choice=choice,
        pairs=pairs,
        models=models,
        merged=mapped.merged,
        unregistered=unregistered,
        removed=removed,
        placement=placement,
        not_dense=means.not_dense,
        densified=densified,
        not_undistorted=warn_of_panoramas(best) if settings.exports else None,
        stopwatch=stopwatch,
    )


@dataclass(frozen=True, kw_only=True)
class _Mapped:
    models: list[pycolmap.Reconstruction]
    """The largest first."""
    merged: int
    digest: str = ""
    """SHA-256 of the file that they are kept in, where they are."""


def _map_or_bring(  # noqa: PLR0913 - the step's inputs, by keyword
    context: StageContext[ReconstructDocument],
    means: _Means,
    step: MapStep,
    photos: Photos,
    *,
    kept: KeptFeatures,
    attempts: LeftPieces,
    pairs: Pairs,
    stopwatch: Stopwatch,
) -> _Mapped:
    """The finished models: where depth maps are to be made of them, those that an earlier pod has made maps of."""
    settings, video = context.document.settings, all_frames(photos.names)
    preset = PRESETS[settings.quality].on(means.device)
    keeping = means.engine and KeptModels(
        kept.digests(),
        recipe=preset.mapping_recipe(video=video),
        maps_recipe=means.engine.recipe,
        checkpoint=context.checkpoint,
        scratch=context.scratch / "models",
    )
    with stopwatch.step("map"):
        brought = keeping.bring(attempts, step.database) if keeping else []
        if keeping and brought:
            step.tell(*brought)
            return _Mapped(models=brought, merged=keeping.merged, digest=keeping.digest)
        made = _map(context, step, photos, preset=preset, kept=kept, attempts=attempts, device=means.device)
    check_models(made, pairs, settings.mapper)
    with stopwatch.step("merge"), beating(step.tell):
        options = preset.incremental_mapping(num_threads=cpu_limit(), video=video)
        models, merged = merge_models(made, step.database, options=options)
    if keeping:
        keeping.keep(models, merged=merged)
    return _Mapped(models=models, merged=merged, digest=keeping.digest if keeping else "")


def _densify(  # noqa: PLR0913 - the same
    context: StageContext[ReconstructDocument],
    means: _Means,
    mapped: _Mapped,
    photos: Photos,
    *,
    attempts: LeftPieces,
    stopwatch: Stopwatch,
) -> Densified:
    if means.engine is None:
        return Densified()
    return DenseStep(
        model=mapped.models[0],
        model_digest=mapped.digest,
        photos=photos,
        video=all_frames(photos.names),
        engine=means.engine,
        preset=DENSE_PRESETS[context.document.settings.quality],
        attempts=attempts,
        checkpoint=context.checkpoint,
        scratch=context.scratch / "dense",
        kept=context.scratch / "maps",
        progress=context.progress,
        stopwatch=stopwatch,
    ).run()


def _map(  # noqa: PLR0913 - the step's inputs, by keyword
    context: StageContext[ReconstructDocument],
    step: MapStep,
    photos: Photos,
    *,
    preset: Preset,
    kept: KeptFeatures,
    attempts: LeftPieces,
    device: Device,
) -> list[pycolmap.Reconstruction]:
    step.scratch.mkdir()
    if context.document.settings.mapper is Mapper.GLOBAL:
        return map_globally(step, options=preset.global_mapping(device, num_threads=cpu_limit()))
    video = all_frames(photos.names)
    snapshots = Snapshots(
        kept.digests(),
        recipe=preset.mapping_recipe(video=video),
        checkpoint=context.checkpoint,
        scratch=context.scratch / "snapshots",
    )
    snapshots.find(attempts)
    options = preset.incremental_mapping(num_threads=cpu_limit(), video=video)
    return map_incrementally(step, options=options, snapshots=snapshots, checkpoint=context.checkpoint)


def _figures(made: _Reconstruction, *, before: Figures) -> Figures:
    return before.model_copy(
        update={
            "images_usable": len(made.features),
            "images_reused": len(made.kept.brought),
            "images_registered": made.best.num_reg_images(),
            "models": len(made.models),
            "points": len(made.densified.cloud or made.best.points3D),
            "density": made.densified.density.value,
            "mean_reprojection_error": round(made.best.compute_mean_reprojection_error(), 4),
            "mean_track_length": round(made.best.compute_mean_track_length(), 4),
            "device": made.device.value,
        }
    )


def _export(
    made: _Reconstruction,
    context: StageContext[ReconstructDocument],
    folder: Path,
    *,
    figures: Figures,
    warnings: tuple[StageWarning, ...],
) -> tuple[str, ...]:
    """Write all files and give the artefacts' paths, reporting the steps `export` and `archive`."""
    progress, settings = context.progress, context.document.settings
    progress.update("export", 1, _EXPORTS, "steps")
    with made.stopwatch.step("export"):
        observations = Observations.of(made.best)
        cloud = made.densified.cloud or observations
        export_model(made.best, cloud, folder, placement=made.placement)
        progress.update("export", _EXPORTS, _EXPORTS, "steps")
    if settings.exports and not made.not_undistorted:
        with made.stopwatch.step("archive"):
            scratch = context.scratch / "undistorted"
            export_on_request(settings.exports, folder, photos=made.photos.folder, scratch=scratch, progress=progress)
    return export_account(
        folder,
        view=choose_view(made.best, cloud.positions, title=context.document.name, units=made.placement.units),
        report=_report(made, observations, figures=figures, settings=settings, warnings=warnings),
    )


def _report(
    made: _Reconstruction,
    observations: Observations,
    *,
    figures: Figures,
    settings: ReconstructSettings,
    warnings: tuple[StageWarning, ...],
) -> Report:
    return Report(
        figures=figures,
        unregistered=made.unregistered,
        cameras=made.best.num_cameras(),
        units=made.placement.units,
        georeference=made.placement.georeference,
        removed=made.removed,
        points_per_image=round(len(observations.point) / len(observations.images), 1),
        images=photo_figures(observations, made.features, made.placement.gps_errors),
        matching=MatchingReport(
            asked=settings.matching,
            used=made.choice.pairing,
            why=made.choice.why,
            matched=made.pairs.matched,
            possible=all_pairs(len(made.features)),
            verified=made.pairs.verified,
        ),
        mapper=settings.mapper,
        density=settings.density,
        sparse_points=made.best.num_points3D(),
        dense=made.densified.report,
        taken_over=TakenOver(
            features_from_attempts=made.kept.from_attempts,
            features_from_run=made.kept.from_run,
            pairs_from_attempts=made.kept_pairs.from_attempts,
            pairs_from_run=made.kept_pairs.from_run,
        ),
        models=tuple(Model.of(model) for model in made.models),
        models_merged=made.merged,
        seconds=dict(made.stopwatch.seconds),
        versions={"pointcloud": __version__, "colmap": pycolmap.__version__},
        quality=settings.quality,
        georeferencing=settings.georeference,
        exports=settings.exports,
        settings=made.preset,
        warnings=warnings,
    )
