"""Extracts SIFT features and checks that there are any: COLMAP's extractor ends well though no photo was readable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.resource import CameraModel
from pointcloud_api.stages import Reason
from pointcloud_colmap.camera_groups import CameraGroup
from pointcloud_colmap.cameras import check_shapes, reader_options, settle_focal_lengths
from pointcloud_colmap.database import watched
from pointcloud_colmap.device import Device
from pointcloud_colmap.feature_files import read_features
from pointcloud_colmap.kept import KeptFeatures
from pointcloud_colmap.photos import Photos
from pointcloud_colmap.presets import Preset
from pointcloud_stage import Reporter, StageFailure

ENOUGH: Final = 30
"""Features, and verified matches with a registered photo, without which a photo cannot be registered: COLMAP's
`abs_pose_min_num_inliers`."""


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """How to extract; threads change no result."""

    preset: Preset
    device: Device
    threads: int
    groups: Sequence[CameraGroup]
    """All photos."""
    camera_model: CameraModel = CameraModel.SIMPLE_RADIAL


def extract_features(
    database: Path, photos: Photos, *, kept: KeptFeatures, how: Extraction, progress: Reporter
) -> dict[str, int]:
    """Fill the database and give the number of features by name of the photo; an unreadable photo has none.

    Features that `kept` has brought are entered, the others are extracted, and kept while they are. Reports the steps
    `enter` and `extract`. Raises StageFailure: TOO_FEW_POINTS when fewer than two photos have enough features to be
    reconstructed from, BAD_SETTINGS when the photos cannot be of the camera model.
    """
    check_shapes(how.camera_model, photos)
    brought, groups, total = kept.brought, how.groups, len(photos.names)
    _enter(database, photos.folder, groups, model=how.camera_model, brought=brought, progress=progress)

    def look(connection: pycolmap.Database) -> None:
        progress.update("extract", kept.keep_new(connection), total, "images")

    progress.update("extract", len(brought), total, "images")
    with watched(database, look, checkpoint=kept.checkpoint):
        for group in groups:
            # An empty list of names would mean every photo in the folder to COLMAP.
            if missing := [name for name in group.names if name not in brought]:
                pycolmap.extract_features(
                    database,
                    photos.folder,
                    image_names=missing,
                    camera_mode=group.mode,
                    reader_options=reader_options(how.camera_model, photos.masks),
                    extraction_options=how.preset.extraction(num_threads=how.threads),
                    device=how.device.colmap,
                )
    settle_focal_lengths(database)
    features = dict.fromkeys(photos.names, 0) | _count(database)
    _check(features)
    return features


def _enter(  # noqa: PLR0913 - one input, one output, and options by keyword
    database: Path,
    folder: Path,
    groups: Sequence[CameraGroup],
    *,
    model: CameraModel,
    brought: Mapping[str, Path],
    progress: Reporter,
) -> None:
    """Put features that were brought into the database, reporting the step `enter`.

    COLMAP itself enters a group's photos, with their cameras and positions, and later extracts what they lack: photos
    of one group that it met in two calls would not share a camera.
    """
    if not brought:
        return
    affected = [group for group in groups if not brought.keys().isdisjoint(group.names)]
    total = sum(len(group.names) for group in affected)

    def look(connection: pycolmap.Database) -> None:
        progress.update("enter", connection.num_images(), total, "images")

    with watched(database, look):
        for group in affected:
            pycolmap.import_images(
                database, folder, camera_mode=group.mode, image_names=group.names, options=reader_options(model)
            )
    with pycolmap.Database.open(database) as connection:
        for image in connection.read_all_images():
            if image.name in brought:
                keypoints, descriptors = read_features(brought[image.name])
                connection.write_keypoints(image.image_id, keypoints)
                connection.write_descriptors(image.image_id, descriptors)


def _count(database: Path) -> dict[str, int]:
    with pycolmap.Database.open(database) as connection:
        return {
            image.name: connection.num_keypoints_for_image(image.image_id) for image in connection.read_all_images()
        }


def _check(features: Mapping[str, int]) -> None:
    if sum(count >= ENOUGH for count in features.values()) >= 2:
        return
    raise StageFailure(
        Reason.TOO_FEW_POINTS,
        f"Of {len(features)} photos fewer than two show enough detail to find again in another: the best has "
        f"{max(features.values(), default=0)} features, and {ENOUGH} are the least.",
        "Take sharp, well-lit photos of a textured subject, in their original size.",
    )
