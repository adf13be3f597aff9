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
_PHOTOS: Final = 8
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
    """Compare all pairs of photos that show the same points, as many as a photo has features at most."""
    random, preset, size = np.random.default_rng(0), PRESETS[quality], 2400
    points = np.column_stack(
        [random.uniform(-1, 1, (preset.max_num_features, 2)), random.uniform(2, 3, (preset.max_num_features, 1))]
    )
    descriptors = random.integers(0, 255, (len(points), 128), np.uint8)
    camera = pycolmap.Camera.create(1, pycolmap.CameraModelId.SIMPLE_PINHOLE, float(size), size, size)
    with pycolmap.Database.open(folder / "database.db") as connection:
        camera.camera_id = connection.write_camera(camera)
        for number in range(_PHOTOS):
            image = pycolmap.Image(name=f"{number}.jpg", camera_id=camera.camera_id)
            image_id = connection.write_image(image)
            moved = points - [0.1 * number, 0.0, 0.0]
            pixels = np.asarray(size * moved[:, :2] / moved[:, 2:] + size / 2, np.float32)
            connection.write_keypoints(image_id, pixels)
            connection.write_descriptors(image_id, descriptors)
    pycolmap.match_exhaustive(
        folder / "database.db",
        matching_options=preset.matching(num_threads=threads),
        verification_options=preset.verification(),
        device=Device.CPU.colmap,
    )


def _foreseen(fitted: Callable[[int], Threads], threads: int) -> int:
    """The least megabytes with which so many threads are used."""
    low, high = 0, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        try:
            enough = fitted(middle * _MEGABYTE).count >= threads
        except StageFailure:
            enough = False
        low, high = (low, middle) if enough else (middle, high)
    return high


def _measured(*arguments: object) -> int:
    """Megabytes that a process of its own took at most."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tools.bench.memory", "--one", folder, *map(str, arguments)]
        return int(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)


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
        preset = PRESETS[quality]
        for threads in map(int, options.threads.split(",")):
            for width, height in _SIZES:
                foreseen = _foreseen(
                    lambda memory, size=(width, height), preset=preset, cpus=threads: extraction_threads(
                        [size], preset, Device.CPU, cpus=cpus, memory=memory
                    ),
                    threads,
                )
                _tell(
                    f"extracting {width}x{height}",
                    quality,
                    threads,
                    _measured(quality, threads, width, height),
                    foreseen,
                )
            features = [preset.max_num_features] * 2
            foreseen = _foreseen(
                lambda memory, features=features, preset=preset, cpus=threads: matching_threads(
                    features, preset, Device.CPU, cpus=cpus, memory=memory
                ),
                threads,
            )
            _tell(f"comparing {features[0]:,} features", quality, threads, _measured(quality, threads), foreseen)


def _tell(what: str, quality: Quality, threads: int, measured: int, foreseen: int) -> None:
    print(f"| {what} | `{quality}` | {threads} | {measured:,} | {foreseen:,} |", flush=True)


if __name__ == "__main__":
    main()
