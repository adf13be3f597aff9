"""How well photos that look alike are those that belong together, by the number of words of the vocabulary.

    python -m tools.bench.similarity [--photos 120] [--width 500] [--words 1024,2048,4096]

Renders photos once around a ruin, compares all pairs of them, and asks for each photo's 20 and 50 most alike. Seconds
are of processors.
"""

import argparse
import tempfile
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pycolmap

from pointcloud_api.resource import CameraModel, Quality
from pointcloud_colmap import similarity
from pointcloud_colmap.cameras import reader_options
from pointcloud_colmap.device import Device
from pointcloud_colmap.pairing import ALIKE, Pair, pair_of
from pointcloud_colmap.presets import PRESETS
from pointcloud_stage import Reporter
from pointcloud_stage.limits import cpu_limit
from tools.bench.processor import Steps
from tools.scene.photos import write

_NEAREST: Final = 20
_MATCHES: Final = 50


def compared(photos: Path, database: Path) -> Mapping[Pair, int]:
    """Extract features, compare all pairs, and give the matches of those that share something."""
    preset, threads = PRESETS[Quality.LOW], cpu_limit()
    pycolmap.extract_features(
        database,
        photos,
        reader_options=reader_options(CameraModel.SIMPLE_RADIAL),
        extraction_options=preset.extraction(num_threads=threads),
        device=Device.CPU.colmap,
    )
    pycolmap.match_exhaustive(
        database,
        matching_options=preset.matching(num_threads=threads),
        verification_options=preset.verification(),
        device=Device.CPU.colmap,
    )
    with pycolmap.Database.open(database) as connection:
        names = {image.image_id: image.name for image in connection.read_all_images()}
        numbers, inliers = connection.read_two_view_geometry_num_inliers()
    pairs = (pair_of(*(names[one] for one in pycolmap.pair_id_to_image_pair(number))) for number in numbers)
    return {pair: count for pair, count in zip(pairs, inliers, strict=True) if count}


def alike(database: Path, names: list[str], most: int, *, words: int, scratch: Path) -> set[Pair]:
    """Each photo with so many that look most like it."""
    progress = Reporter(lambda _news: None, nonce="bench")
    progress.plan(alike=1)
    with patch.object(similarity, "_WORDS", words), patch.object(similarity, "_SAMPLES", 40 * words):
        return similarity.alike_pairs(
            database, dict.fromkeys(names, most), threads=cpu_limit(), scratch=scratch, progress=progress
        )


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=120)
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--words", default="1024,2048,4096")
    options = parser.parse_args()
    pycolmap.logging.minloglevel = pycolmap.logging.WARNING.value
    with tempfile.TemporaryDirectory() as name:
        folder, database = Path(name), Path(name) / "database.db"
        write(folder, photos=options.photos, width=options.width)
        names = sorted(photo.name for photo in (folder / "photos").iterdir())
        matches = compared(folder / "photos", database)
        close = {pair for pair, count in matches.items() if count >= _MATCHES}
        print(f"{len(names)} photos, each of which shares something with {2 * len(matches) / len(names):.0f} others")
        print(f"{len(close)} of {len(list(combinations(names, 2)))} pairs have {_MATCHES} matches or more")
        print(
            f"| words | of the {_NEAREST} most alike share something | pairs of {_MATCHES} matches among the {ALIKE} |"
        )
        print("| ---: | ---: | ---: |")
        steps = Steps()
        for words in map(int, options.words.split(",")):
            with steps.step(f"{words} words"):
                nearest = alike(database, names, _NEAREST, words=words, scratch=folder)
            some = alike(database, names, ALIKE, words=words, scratch=folder)
            share = len(nearest & matches.keys()) / len(nearest)
            print(f"| {words:,} | {share:.1%} | {len(some & close) / len(close):.1%} |", flush=True)
        print(", ".join(f"{name} {seconds:.0f} s" for name, seconds in steps.seconds.items()))


if __name__ == "__main__":
    main()
