"""COLMAP alone, as a script of pycolmap calls would have it: what `tools.bench.overhead` compares the stage with.

    python -m tools.bench.bare PHOTOS_FOLDER SCRATCH QUALITY

Prints the processor seconds of each step as JSON.
"""

import json
import sys
from itertools import combinations
from pathlib import Path

import pycolmap

from pointcloud_api.resource import CameraModel, Quality
from pointcloud_colmap.cameras import reader_options
from pointcloud_colmap.device import Device
from pointcloud_colmap.presets import PRESETS
from pointcloud_stage.limits import cpu_limit
from tools.bench.processor import Steps

_BLOCK = 100
"""Pairs that the stage has COLMAP compare at a time too."""


def reconstruct(photos: Path, scratch: Path, quality: Quality) -> dict[str, float]:
    """Extract, compare all pairs, map, and write the model of most photos; processor seconds by step."""
    preset, threads, database, steps = PRESETS[quality], cpu_limit(), scratch / "database.db", Steps()
    with steps.step("extract"):
        pycolmap.extract_features(
            database,
            photos,
            reader_options=reader_options(CameraModel.SIMPLE_RADIAL),
            extraction_options=preset.extraction(num_threads=threads),
            device=Device.CPU.colmap,
        )
    with steps.step("match"):
        names = sorted(photo.name for photo in photos.iterdir())
        pairing = pycolmap.ImportedPairingOptions()
        pairing.match_list_path = scratch / "pairs.txt"
        pairing.match_list_path.write_text("".join(f"{one} {other}\n" for one, other in combinations(names, 2)))
        pairing.block_size = _BLOCK
        pycolmap.match_image_pairs(
            database,
            matching_options=preset.matching(num_threads=threads),
            pairing_options=pairing,
            verification_options=preset.verification(),
            device=Device.CPU.colmap,
        )
    with steps.step("map"):
        options = preset.incremental_mapping(num_threads=threads, video=False)
        models = pycolmap.incremental_mapping(database, photos, scratch, options)
    with steps.step("export"):
        best = max(models.values(), key=lambda model: model.num_reg_images())
        best.write_binary(scratch)
    print(f"{best.num_reg_images()} photos, {best.num_points3D()} points", file=sys.stderr)
    return steps.seconds


if __name__ == "__main__":
    print(json.dumps(reconstruct(Path(sys.argv[1]), Path(sys.argv[2]), Quality(sys.argv[3]))))
