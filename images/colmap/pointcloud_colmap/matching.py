"""Finds which photos show the same things: compares the pairs that were chosen, and counts what came of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.stages import ExitCode, Reason
from pointcloud_colmap.database import ever_less_often, watched
from pointcloud_colmap.device import Device
from pointcloud_colmap.kept_pairs import KeptPairs
from pointcloud_colmap.pairing import Choice, Pair, Pairing, pair_of
from pointcloud_colmap.presets import Preset
from pointcloud_colmap.similarity import alike_pairs
from pointcloud_stage import Reporter, StageFailure
from pointcloud_stage.limits import cpu_limit

OVERLAP_REMEDY: Final = (
    "Photograph one subject, moving sideways a little between photos so that neighbours share at least 60 % of what "
    "they show, and give all of these photos."
)
_BLOCK: Final = {Device.CPU: 100, Device.CUDA: 1000}
"""Pairs that COLMAP compares before it writes them down: less than half a minute's work on one processor."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What matching came to."""

    matched: int
    """Pairs of photos that were compared."""
    inliers: Mapping[Pair, int]
    """Of the pairs whose matches agree with one geometry, how many matches do."""

    @property
    def verified(self) -> int:
        """How many pairs those are."""
        return len(self.inliers)


def chosen_pairs(database: Path, choice: Choice, *, scratch: Path, progress: Reporter) -> set[Pair]:
    """The pairs to compare of the photos in the database, reporting the step `alike` where looks decide too."""
    with pycolmap.Database.open(database) as connection:
        names = sorted(image.name for image in connection.read_all_images())
    if choice.pairing is Pairing.EXHAUSTIVE:
        return set(combinations(names, 2))
    present = set(names)
    alike = alike_pairs(database, choice.alike, threads=cpu_limit(), scratch=scratch, progress=progress)
    return alike | {pair for pair in choice.likely if present.issuperset(pair)}


def match_features(  # noqa: PLR0913 - two inputs, one output, and options by keyword
    database: Path,
    pairs: Collection[Pair],
    *,
    kept: KeptPairs,
    preset: Preset,
    device: Device,
    threads: int,
    progress: Reporter,
) -> Pairs:
    """Compare these pairs of photos but where `kept` has brought them, and keep what is new; reports `match`.

    Raises StageFailure: NO_OVERLAP when no two photos show the same thing, for COLMAP's matcher ends well even then;
    INTERNAL when it has left out pairs, as it does too without a word.
    """
    total = len(pairs)

    def look(connection: pycolmap.Database) -> None:
        # Counts those too that turned out to share nothing.
        progress.update("match", connection.num_verified_image_pairs(), total, "pairs")

    progress.update("match", len(kept.brought), total, "pairs")
    missing = sorted(set(pairs) - kept.brought)
    # COLMAP takes no empty list.
    if missing:
        with (
            watched(database, look),
            watched(database, kept.keep_new, pause=ever_less_often, checkpoint=kept.checkpoint),
        ):
            options = preset.matching(num_threads=threads)
            _compare(database, missing, options, preset, device=device, list_file=kept.scratch / "pairs.txt")
    found = _count(database)
    if found.matched < total:
        raise StageFailure(
            Reason.INTERNAL,
            f"COLMAP compared {found.matched} of {total} pairs and ended without an error.",
            "Read the stage's log for what it says of matching; nothing that was compared is lost.",
            exit_code=ExitCode.INTERNAL,
        )
    if not found.verified:
        raise StageFailure(
            Reason.NO_OVERLAP,
            f"No two of the photos share enough features: {found.matched} pairs were compared.",
            OVERLAP_REMEDY,
        )
    return found


def _compare(  # noqa: PLR0913 - COLMAP's own parameters
    database: Path,
    pairs: list[Pair],
    matching: pycolmap.FeatureMatchingOptions,
    preset: Preset,
    *,
    device: Device,
    list_file: Path,
) -> None:
    # In this order neighbours in the list have photos in common, whose features COLMAP then reads once.
    list_file.write_text("".join(f"{first} {second}\n" for first, second in pairs), encoding="utf-8")
    options = pycolmap.ImportedPairingOptions()
    options.match_list_path = list_file
    options.block_size = _BLOCK[device]
    pycolmap.match_image_pairs(
        database,
        matching_options=matching,
        pairing_options=options,
        verification_options=preset.verification(),
        device=device.colmap,
    )


def _count(database: Path) -> Pairs:
    with pycolmap.Database.open(database) as connection:
        names = {image.image_id: image.name for image in connection.read_all_images()}
        numbers, inliers = connection.read_two_view_geometry_num_inliers()
        pairs = (pair_of(*(names[one] for one in pycolmap.pair_id_to_image_pair(number))) for number in numbers)
        return Pairs(
            matched=connection.num_matched_image_pairs(),
            inliers={pair: count for pair, count in zip(pairs, inliers, strict=True) if count > 0},
        )
