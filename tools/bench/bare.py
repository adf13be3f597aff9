"""COLMAP alone, as a script of pycolmap calls would have it: what `tools.bench.overhead` compares the stage with.

Imports nothing of ours that takes memory: `tools.bench.alone` hands it the stage's options. Prints the processor
seconds of each step as JSON.
"""

import json
import pickle
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pycolmap

from tools.bench.processor import Steps

_BLOCK = 100
"""Pairs that the stage has COLMAP compare at a time too."""


def reconstruct(photos: Path, scratch: Path, options: dict[str, Any]) -> dict[str, float]:
    """Extract, compare all pairs, map, and write the model of most photos; processor seconds by step."""
    database, steps = scratch / "database.db", Steps()
    with steps.step("extract"):
        pycolmap.extract_features(
            database,
            photos,
            extraction_options=options["extraction"],
            device=pycolmap.Device.cpu,
        )
    with steps.step("match"):
        names = sorted(photo.name for photo in photos.iterdir())
        pairing = pycolmap.ImportedPairingOptions()
        pairing.match_list_path = scratch / "pairs.txt"
        pairing.match_list_path.write_text("".join(f"{one} {other}\n" for one, other in combinations(names, 2)))
        pairing.block_size = _BLOCK
        pycolmap.match_image_pairs(
            database,
            matching_options=options["matching"],
            pairing_options=pairing,
            verification_options=options["verification"],
            device=pycolmap.Device.cpu,
        )
    with steps.step("map"):
        models = pycolmap.incremental_mapping(database, photos, scratch, options["mapping"])
    with steps.step("export"):
        best = max(models.values(), key=lambda model: model.num_reg_images())
        best.write_binary(scratch)
    print(f"{best.num_reg_images()} photos, {best.num_points3D()} points", file=sys.stderr)
    return steps.seconds


if __name__ == "__main__":
    given = pickle.loads(Path(sys.argv[3]).read_bytes())  # noqa: S301 - written by tools.bench.alone
    print(json.dumps(reconstruct(Path(sys.argv[1]), Path(sys.argv[2]), given)))
