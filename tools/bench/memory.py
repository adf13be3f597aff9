"""The peaks of memory that `pointcloud_colmap/memory.py` reckons with, beside what it foresees.

    python -m tools.bench.memory [--threads 1,2,4] [--qualities medium,high]

Extracts features of large photos, and compares photos of as many features as a quality has at most, each in a process
of its own. Wanted is never more than foreseen.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pycolmap

from pointcloud_api.resource import CameraModel, Quality
from pointcloud_colmap.cameras import reader_options
from pointcloud_colmap.device import Device
from pointcloud_colmap.memory import Threads, extraction_threads, matching_threads
from pointcloud_colmap.presets import PRESETS
from pointcloud_stage import StageFailure

_SIZES: Final = ((1600, 900), (6000, 4000))
_PHOTOS: Final = 5
"""More than there are threads, so that some wait."""
_MEGABYTE: Final = 1_000_000
_MOST: Final = 64_000
"""Megabytes."""


def extract(quality: Quality, threads: int, folder: Path, width: int, height: int) -> None:
    """Extract features of photos that are noise of several scales, which has features in plenty."""
    random = np.random.default_rng(0)
    coarse = [random.integers(0, 255, (height // step + 1, width // step + 1), np.uint8) for step in (4, 16)]
    grey = sum(np.kron(one, np.ones((step, step)))[:height, :width] for one, step in zip(coarse, (4, 16), strict=True))
    photos = folder / "photos"
    photos.mkdir()
    for number in range(_PHOTOS):
        turned = np.roll(np.asarray(grey / 2, np.uint8), 40 * number, axis=1)
        pycolmap.Bitmap.from_array(turned).write(photos / f"{number}.jpg")
    pycolmap.extract_features(
        folder / "database.db",
        photos,
        reader_options=reader_options(CameraModel.SIMPLE_RADIAL),
        extraction_options=PRESETS[quality].extraction(num_threads=threads),
        device=Device.CPU.colmap,
    )


def compare(quality: Quality, threads: int, folder: Path) -> None:
    """Compare all pairs of photos whose features are in the folder's database."""
    preset = PRESETS[quality]
    pycolmap.match_exhaustive(
        folder / "database.db",
        matching_options=preset.matching(num_threads=threads),
        verification_options=preset.verification(),
        device=Device.CPU.colmap,
    )


def _foreseen(fitted: Callable[..., Threads], threads: int) -> int:
    """The least megabytes with which so many threads are used."""
    low, high = 0, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        try:
            enough = fitted(memory=middle * _MEGABYTE).count >= threads
        except StageFailure:
            enough = False
        low, high = (low, middle) if enough else (middle, high)
    return high


def _measured(folder: Path, *arguments: object) -> int:
    """Megabytes that a process of its own took at most."""
    command = [sys.executable, "-m", "tools.bench.memory", "--one", str(folder), *map(str, arguments)]
    return int(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)


def _extracting(quality: Quality, threads: int, size: tuple[int, int]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return _measured(Path(folder), quality, threads, *size)


def _comparing(quality: Quality, threads: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        # As many features as the quality has, by the way that is quickest.
        _measured(Path(folder), Quality.MEDIUM, 1, *_SIZES[0])
        return _measured(Path(folder), quality, threads)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2,4")
    parser.add_argument("--qualities", default="medium,high")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        folder, quality, threads, *size = options.one
        if size:
            extract(Quality(quality), int(threads), Path(folder), *map(int, size))
        else:
            compare(Quality(quality), int(threads), Path(folder))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // _MEGABYTE)
        return
    print("| what | quality | threads | MB | foreseen |\n| --- | --- | ---: | ---: | ---: |")
    for quality in map(Quality, options.qualities.split(",")):
        for threads in map(int, options.threads.split(",")):
            _tell_of(quality, threads)


def _tell_of(quality: Quality, threads: int) -> None:
    preset = PRESETS[quality]
    for size in _SIZES:
        fitted = partial(extraction_threads, [size], preset, Device.CPU, cpus=threads)
        what = f"extracting {size[0]}x{size[1]}"
        _tell(what, quality, threads, _extracting(quality, threads, size), _foreseen(fitted, threads))
    features = [preset.max_num_features] * 2
    fitted = partial(matching_threads, features, preset, Device.CPU, cpus=threads)
    what = f"comparing {features[0]:,} features"
    _tell(what, quality, threads, _comparing(quality, threads), _foreseen(fitted, threads))


def _tell(what: str, quality: Quality, threads: int, measured: int, foreseen: int) -> None:
    print(f"| {what} | `{quality}` | {threads} | {measured:,} | {foreseen:,} |", flush=True)


if __name__ == "__main__":
    main()
