"""Extracts SIFT features and checks that there are any: COLMAP's extractor ends well though no photo was readable."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.stages import Reason, StageWarning
from pointcloud_colmap.database import watched
from pointcloud_colmap.device import Device, available_memory, sift_threads
from pointcloud_colmap.photos import Photos, group_by_camera
from pointcloud_colmap.presets import Preset
from pointcloud_colmap.wording import listed
from pointcloud_stage import Reporter, StageFailure
from pointcloud_stage.limits import cpu_limit

_ENOUGH: Final = 30
"""Features without which a photo cannot be registered: COLMAP's `abs_pose_min_num_inliers`."""


def extract_features(
    database: Path, photos: Photos, *, preset: Preset, device: Device, progress: Reporter
) -> dict[str, int]:
    """Fill the database and give the number of features by name of the photo; an unreadable photo has none.

    Reports the steps `inspect` and `extract`. Raises StageFailure(TOO_FEW_POINTS) when fewer than two photos have
    enough features to be reconstructed from.
    """
    threads = sift_threads(
        photos.sizes.values(),
        max_image_size=preset.max_image_size,
        cpus=cpu_limit(),
        memory=available_memory(),
    )
    groups = group_by_camera(photos, progress)
    total = sum(len(group.names) for group in groups)
    with watched(
        database,
        lambda connection: connection.num_images(),
        lambda done: progress.update("extract", done, total, "images"),
    ):
        for group in groups:
            pycolmap.extract_features(
                database,
                photos.folder,
                image_names=group.names,
                camera_mode=group.mode,
                extraction_options=preset.extraction(num_threads=threads),
                device=device.colmap,
            )
    features = dict.fromkeys(photos.names, 0) | _count(database)
    _check(features)
    return features


def warn_of_poor_photos(features: Mapping[str, int]) -> StageWarning | None:
    """Name the photos that cannot be placed because they show too little detail, if there are any."""
    poor = [name for name, count in features.items() if count < _ENOUGH]
    if not poor:
        return None
    return StageWarning(
        reason="PhotosWithoutFeatures",
        message=f"Too little detail was found in {listed(poor)}: out of focus, too dark, of a bare surface, or in a "
        "format that COLMAP cannot read.",
    )


def _count(database: Path) -> dict[str, int]:
    with pycolmap.Database.open(database) as connection:
        return {
            image.name: connection.num_keypoints_for_image(image.image_id) for image in connection.read_all_images()
        }


def _check(features: Mapping[str, int]) -> None:
    if sum(count >= _ENOUGH for count in features.values()) >= 2:
        return
    raise StageFailure(
        Reason.TOO_FEW_POINTS,
        f"Of {len(features)} photos fewer than two show enough detail to find again in another: the best has "
        f"{max(features.values(), default=0)} features, and {_ENOUGH} are the least.",
        "Take sharp, well-lit photos of a textured subject, as JPEG, PNG or TIFF.",
    )
