"""Finds which photos show the same things. Every way of choosing the pairs to compare belongs here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.stages import Reason
from pointcloud_colmap.database import watched
from pointcloud_colmap.device import Device
from pointcloud_colmap.presets import Preset
from pointcloud_stage import Reporter, StageFailure
from pointcloud_stage.limits import cpu_limit

OVERLAP_REMEDY: Final = (
    "Photograph one subject, moving sideways a little between photos so that neighbours share at least 60 % of what "
    "they show, and give all of these photos."
)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What matching came to."""

    matched: int
    """Pairs of photos that were compared."""
    verified: int
    """Pairs of them whose matches agree with one geometry."""


def match_features(database: Path, *, preset: Preset, device: Device, progress: Reporter) -> Pairs:
    """Compare every photo with every other, reporting the step `match`.

    Raises StageFailure(NO_OVERLAP) when no two photos show the same thing: COLMAP's matcher ends well even then.
    """
    images = _count(database, pycolmap.Database.num_images)
    total = images * (images - 1) // 2
    with watched(
        database,
        pycolmap.Database.num_matched_image_pairs,
        lambda done: progress.update("match", done, total, "pairs"),
    ):
        pycolmap.match_exhaustive(
            database,
            matching_options=preset.matching(num_threads=cpu_limit()),
            verification_options=preset.verification(),
            device=device.colmap,
        )
    pairs = Pairs(
        matched=_count(database, pycolmap.Database.num_matched_image_pairs), verified=_count(database, _verified)
    )
    if not pairs.verified:
        raise StageFailure(
            Reason.NO_OVERLAP,
            f"{images} photos, and no two of them share enough features: all {pairs.matched} pairs were compared.",
            OVERLAP_REMEDY,
        )
    return pairs


def _count(database: Path, count: Callable[[pycolmap.Database], int]) -> int:
    with pycolmap.Database.open(database) as connection:
        return count(connection)


def _verified(connection: pycolmap.Database) -> int:
    # num_verified_image_pairs would count the pairs without a single inlier too.
    _, inliers = connection.read_two_view_geometry_num_inliers()
    return sum(number > 0 for number in inliers)
