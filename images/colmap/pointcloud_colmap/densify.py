"""From a finished model to a dense cloud: undistorted photos, depth maps, and the points that several maps agree on.

It all happens in the model's own frame and before anything is placed, because points are kept in single precision, in
which little is left of a pixel far from the origin.
"""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.resource import CameraModel, Density
from pointcloud_api.stages import StageWarning
from pointcloud_colmap.beating import beating
from pointcloud_colmap.dense.fusion import fuse_maps
from pointcloud_colmap.dense_cloud import DenseCloud
from pointcloud_colmap.dense_presets import DensePreset
from pointcloud_colmap.dense_report import DenseReport, ViewWithoutMaps
from pointcloud_colmap.engines import Engine
from pointcloud_colmap.kept_maps import KeptMaps
from pointcloud_colmap.mapping import registered_names
from pointcloud_colmap.memory import check_fusion
from pointcloud_colmap.photos import Photos
from pointcloud_colmap.stopwatch import Stopwatch
from pointcloud_colmap.undistortion import undistort, undistort_masks
from pointcloud_colmap.wording import listed
from pointcloud_stage import Reporter
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.limits import available_memory, cpu_limit
from pointcloud_stage.pieces import LeftPieces

_NO_MAPS: Final = "no other photo shows enough of the same from beside it"


@dataclass(frozen=True, kw_only=True)
class Densified:
    """What came of it."""

    cloud: DenseCloud | None = None
    """In the model's frame; None where there is none, and the sparse one is to be shown."""
    warning: StageWarning | None = None
    """Why there is none."""
    report: DenseReport | None = None

    @property
    def density(self) -> Density:
        """What the cloud is."""
        return Density.SPARSE if self.cloud is None else Density.DENSE


@dataclass(kw_only=True)
class DenseStep:
    """One run of the steps `undistort`, `patch_match` and `fuse`."""

    model: pycolmap.Reconstruction
    model_digest: str
    """SHA-256 of the file that the model is kept in."""
    photos: Photos
    engine: Engine
    preset: DensePreset
    attempts: LeftPieces
    checkpoint: Checkpoint
    scratch: Path
    """A folder that does not exist yet; takes 16 bytes a pixel and pass, and 14 a pixel. It is gone afterwards."""
    kept: Path
    """Another such folder beside it, in which maps wait to be stored."""
    progress: Reporter
    stopwatch: Stopwatch
    _views: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Take the photos in an order that any pod gives them."""
        self._views = registered_names(self.model)

    @property
    def _workspace(self) -> Path:
        return self.scratch / "workspace"

    def run(self) -> Densified:
        """Make the cloud. Raises StageFailure when memory has no room for it."""
        if any(camera.model_name == CameraModel.EQUIRECTANGULAR for camera in self.model.cameras.values()):
            return Densified(
                warning=_not_densified(
                    "no pinhole camera sees what a panorama does.",
                    "Cut the panoramas into perspective views, and reconstruct from those.",
                )
            )
        try:
            with self.stopwatch.step("undistort"):
                self._undistort()
            check_fusion(self._sizes(), memory=available_memory())
            with self.stopwatch.step("patch_match"):
                kept, reasons = self._estimate()
            without = kept.without()
            with self.stopwatch.step("fuse"):
                cloud = self._fuse(without)
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
        return self._densified(cloud, kept, {view: reasons.get(view, _NO_MAPS) for view in without})

    def _undistort(self) -> None:
        """Make the workspace, with masks where there are any."""
        model = self.scratch / "model"
        model.mkdir(parents=True)
        self.model.write_binary(model)
        total = len(self._views)
        undistort(
            model,
            self.photos.folder,
            self._workspace,
            total=total,
            tell=lambda done: self.progress.update("undistort", done, total, "images"),
            max_image_size=self.preset.max_image_size,
        )
        if self.photos.masks is not None:
            undistort_masks(
                self.model,
                self.photos.masks,
                self._workspace,
                scratch=self.scratch / "masks",
                max_image_size=self.preset.max_image_size,
            )

    def _sizes(self) -> list[tuple[int, int]]:
        """Of the undistorted photos, which the maps have too."""
        undistorted = pycolmap.Reconstruction(self._workspace / "sparse")
        cameras = (undistorted.camera(undistorted.image(i).camera_id) for i in undistorted.reg_image_ids())
        return [(camera.width, camera.height) for camera in cameras]

    def _estimate(self) -> tuple[KeptMaps, Mapping[str, str]]:
        """Have the engine make all maps that no earlier pod left, and give its reasons for those it does not make."""
        kept = KeptMaps(
            recipe=self.engine.recipe,
            model=self.model_digest,
            passes=self.engine.passes,
            workspace=self._workspace,
            views=self._views,
            checkpoint=self.checkpoint,
            scratch=self.kept,
        )
        kept.bring(self.attempts)

        def look() -> None:
            self.progress.update("patch_match", kept.count(), kept.total, "maps")

        with ExitStack() as stack:
            stack.enter_context(self.checkpoint.gathering(kept.keep_new))
            stack.enter_context(beating(look))
            reasons = self.engine.fill(self._workspace, look)
        kept.keep_new()
        look()
        return kept, reasons

    def _fuse(self, without: Sequence[str]) -> DenseCloud:
        used = sorted(set(self._views) - set(without))
        if not used:
            return DenseCloud.empty()
        fused = self.scratch / "fused"
        fuse_maps(
            self._workspace,
            used,
            made_in=self.engine.passes[-1],
            pixel_centre=self.engine.pixel_centre,
            scratch=self.scratch / "packed",
            output=fused,
            threads=cpu_limit(),
            tell=lambda done, total: self.progress.update("fuse", done, total, "images"),
        )
        return DenseCloud.mapped(fused)

    def _densified(self, cloud: DenseCloud, kept: KeptMaps, without: Mapping[str, str]) -> Densified:
        report = DenseReport(
            engine=self.engine.name,
            settings=self.preset,
            views=len(self._views),
            without_maps=tuple(ViewWithoutMaps(name=view, why=why) for view, why in without.items()),
            maps=kept.total,
            maps_from_attempts=kept.from_attempts,
            points=len(cloud),
        )
        if len(cloud):
            return Densified(cloud=cloud, report=report)
        return Densified(warning=self._nothing(report.without_maps), report=report)

    def _nothing(self, without: tuple[ViewWithoutMaps, ...]) -> StageWarning:
        if len(without) == len(self._views):
            names = listed([view.name for view in without])
            return _not_densified(
                f"depth could be computed for none of {len(without)} photos ({names}): {without[0].why}.",
                "Take photos from a step to the side of each other, of a textured subject.",
            )
        return _not_densified(
            f"no point of the {len(self._views) - len(without)} depth maps is confirmed by the others.",
            "Take more photos of each spot, in steps to the side, and sharp ones.",
        )


def _not_densified(why: str, remedy: str) -> StageWarning:
    return StageWarning(reason="NotDensified", message=f"The cloud is sparse, because {why} {remedy}")
