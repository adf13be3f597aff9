"""From models to the stage's files: the best one cleaned, made dense, put where it belongs, written and reported on.

All that only this needs (SciPy, PROJ, laspy) is in memory from here on: the steps before, which need the most memory,
go without.
"""

from dataclasses import dataclass
from typing import Final

import pycolmap

from pointcloud_api import __version__
from pointcloud_api.stages import Figures, StageWarning
from pointcloud_colmap.cleaning import Removed, remove_outliers
from pointcloud_colmap.dense_presets import DENSE_PRESETS
from pointcloud_colmap.densify import DenseStep, Densified
from pointcloud_colmap.export import export_account, export_model, export_on_request
from pointcloud_colmap.means import Means
from pointcloud_colmap.modelling import Modelled
from pointcloud_colmap.observations import Observations
from pointcloud_colmap.photo_figures import photo_figures
from pointcloud_colmap.placement import Placement, place
from pointcloud_colmap.report import MatchingReport, Model, Report, TakenOver
from pointcloud_colmap.shares import all_pairs
from pointcloud_colmap.undistortion import warn_of_panoramas
from pointcloud_colmap.unregistered import warn_of_unregistered
from pointcloud_colmap.view import choose_view
from pointcloud_stage import Outcome

_EXPORTS: Final = 2
"""Parts of the step `export`: the cloud is placed and written."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The best of the models, as it is to be shown, and what was done to it."""

    means: Means
    modelled: Modelled
    removed: Removed
    placement: Placement
    densified: Densified
    not_undistorted: StageWarning | None
    """Why undistorted photos are not made though they are asked for."""

    def export(self) -> Outcome:
        """Write all files, reporting the steps `export` and `archive`."""
        means, best = self.means, self.modelled.best
        folder, progress, settings = means.context.scratch / "outcome", means.context.progress, means.settings
        progress.update("export", 1, _EXPORTS, "steps")
        with means.stopwatch.step("export"):
            observations = Observations.of(best)
            cloud = self.densified.cloud or observations
            export_model(best, cloud, folder, placement=self.placement)
            progress.update("export", _EXPORTS, _EXPORTS, "steps")
        if settings.exports and not self.not_undistorted:
            with means.stopwatch.step("archive"):
                photos, scratch = self.modelled.photos.folder, means.context.scratch / "undistorted"
                export_on_request(settings.exports, folder, photos=photos, scratch=scratch, progress=progress)
        report = self._report(observations)
        title, units = means.context.document.name, self.placement.units
        view = choose_view(best, cloud.positions, title=title, units=units)
        artefacts = export_account(folder, view=view, report=report)
        return Outcome(folder=folder, artefacts=artefacts, figures=report.figures, warnings=report.warnings)

    @property
    def _warnings(self) -> tuple[StageWarning, ...]:
        made = self.modelled
        partial = warn_of_unregistered(made.unregistered, total=len(made.features))
        found = (self.means.gpu_not_used, *made.fewer_threads, partial, made.choice.warning, self.placement.warning)
        dense = (self.not_undistorted, self.densified.warning)
        return tuple(warning for warning in (*found, *dense) if warning is not None)

    @property
    def _figures(self) -> Figures:
        made, upstream = self.modelled, self.means.context.upstream
        before = upstream.figures if upstream else Figures()
        return before.model_copy(
            update={
                "images_usable": len(made.features),
                "images_reused": len(made.kept.brought),
                "images_registered": made.best.num_reg_images(),
                "models": len(made.models),
                "points": len(self.densified.cloud or made.best.points3D),
                "density": self.densified.density.value,
                "mean_reprojection_error": round(made.best.compute_mean_reprojection_error(), 4),
                "mean_track_length": round(made.best.compute_mean_track_length(), 4),
                "device": self.means.device.value,
            }
        )

    def _report(self, observations: Observations) -> Report:
        made, means, settings = self.modelled, self.means, self.means.settings
        return Report(
            figures=self._figures,
            unregistered=made.unregistered,
            cameras=made.best.num_cameras(),
            units=self.placement.units,
            georeference=self.placement.georeference,
            removed=self.removed,
            points_per_image=round(len(observations.point) / len(observations.images), 1),
            images=photo_figures(observations, made.features, self.placement.gps_errors),
            matching=self._matching,
            mapper=settings.mapper,
            density=settings.density,
            sparse_points=made.best.num_points3D(),
            dense=self.densified.report,
            taken_over=self._taken_over,
            models=tuple(Model.of(model) for model in made.models),
            models_merged=made.merged,
            seconds=dict(means.stopwatch.seconds),
            versions={"pointcloud": __version__, "colmap": pycolmap.__version__},
            quality=settings.quality,
            georeferencing=settings.georeference,
            exports=settings.exports,
            settings=means.preset,
            warnings=self._warnings,
        )

    @property
    def _matching(self) -> MatchingReport:
        made = self.modelled
        return MatchingReport(
            asked=self.means.settings.matching,
            used=made.choice.pairing,
            why=made.choice.why,
            matched=made.pairs.matched,
            possible=all_pairs(len(made.features)),
            verified=made.pairs.verified,
        )

    @property
    def _taken_over(self) -> TakenOver:
        features, pairs = self.modelled.kept, self.modelled.kept_pairs
        return TakenOver(
            features_from_attempts=features.from_attempts,
            features_from_run=features.from_run,
            pairs_from_attempts=pairs.from_attempts,
            pairs_from_run=pairs.from_run,
        )


def finish(means: Means, modelled: Modelled) -> Finished:
    """Run the steps from `clean` to `align`. Raises StageFailure when memory has no room for a dense cloud."""
    best = modelled.best
    with means.stopwatch.step("clean"):
        removed = remove_outliers(best)
    densified = _densify(means, modelled)
    means.context.progress.update("export", 0, _EXPORTS, "steps")
    with means.stopwatch.step("align"):
        placement = place(best, modelled.shots, means.settings.georeference)
        if densified.cloud:
            densified.cloud.transform(placement.from_model)
    best.update_point_3d_errors()
    return Finished(
        means=means,
        modelled=modelled,
        removed=removed,
        placement=placement,
        densified=densified,
        not_undistorted=warn_of_panoramas(best) if means.settings.exports else None,
    )


def _densify(means: Means, modelled: Modelled) -> Densified:
    if means.engine is None:
        return Densified()
    scratch = means.context.scratch
    return DenseStep(
        model=modelled.best,
        model_digest=modelled.digest,
        photos=modelled.photos,
        engine=means.engine,
        preset=DENSE_PRESETS[means.settings.quality],
        attempts=means.attempts,
        checkpoint=means.context.checkpoint,
        scratch=scratch / "dense",
        kept=scratch / "maps",
        progress=means.context.progress,
        stopwatch=means.stopwatch,
    ).run()
