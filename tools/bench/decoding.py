"""What decoding a picture takes of memory, beside what `pointcloud_ingest/memory.py` foresees.

    python -m tools.bench.decoding [--width 6000] [--height 4000]

Checks a picture of each kind as the ingest stage does, each in a process of its own. Taken is never more than foreseen.
"""

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from pointcloud_api.stages import IngestLimits
from pointcloud_ingest.arrivals import Arrival
from pointcloud_ingest.memory import Room, decoding
from pointcloud_ingest.photos import check
from tools.bench.processor import peak_memory

_QUICK: Final = {"quality": 30, "enc_params": {"preset": "ultrafast"}}


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _colours(width: int, height: int) -> Image.Image:
    """A picture that is neither flat nor noise."""
    waves = 40 * np.sin(np.arange(width) / 9) + 40 * np.sin(np.arange(height) / 7)[:, None] + 120
    grain = np.random.default_rng(0).integers(0, 30, (height, width, 3))
    return Image.fromarray((waves[:, :, None] + grain).astype(np.uint8))


def _dark(width: int, height: int) -> Image.Image:
    """16 bits, of which the lower 12 are used."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 4096, (height, width), np.uint16))


PICTURES: dict[str, Callable[[int, int], bytes]] = {
    "JPEG": lambda *size: _saved(_colours(*size), "JPEG"),
    "progressive JPEG": lambda *size: _saved(_colours(*size), "JPEG", progressive=True, subsampling=0),
    "PNG": lambda *size: _saved(_colours(*size), "PNG", compress_level=1),
    "grey PNG": lambda *size: _saved(_colours(*size).convert("L"), "PNG", compress_level=1),
    "dark PNG of 16 bits": lambda *size: _saved(_dark(*size), "PNG", compress_level=1),
    "TIFF": lambda *size: _saved(_colours(*size), "TIFF"),
    "TIFF, deflated, in one strip": lambda *size: _saved(
        _colours(*size), "TIFF", compression="tiff_adobe_deflate", strip_size=1 << 31
    ),
    "BMP": lambda *size: _saved(_colours(*size), "BMP"),
    "GIF": lambda *size: _saved(_colours(*size).quantize(64), "GIF"),
    "WebP": lambda *size: _saved(_colours(*size), "WEBP", method=0),
    "WebP with alpha": lambda *size: _saved(_colours(*size).convert("RGBA"), "WEBP", method=0),
    "HEIC": lambda *size: _saved(_colours(*size), "HEIF", **_QUICK),
    "HEIC on its side": lambda *size: _saved(_colours(*size), "HEIF", exif=_on_its_side(), **_QUICK),
    "AVIF": lambda *size: _saved(_colours(*size), "AVIF", speed=10),
}


def _on_its_side() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


def take(file: Path) -> tuple[int, int]:
    """Bytes that checking the picture takes beside what is there before, and those that are foreseen."""
    before = peak_memory()
    with Image.open(file) as image:
        foreseen = file.stat().st_size + decoding(image)
    check(Arrival(file.name, file), IngestLimits(), Room(1 << 62))
    return peak_memory() - before, foreseen


def taken(kind: str, width: int, height: int, folder: Path) -> tuple[int, int]:
    """What `take` gives of a picture of that kind, in a process of its own."""
    file = folder / "picture"
    file.write_bytes(PICTURES[kind](width, height))
    command = [sys.executable, "-m", "tools.bench.decoding", "--one", str(file)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    spent, foreseen = map(int, printed.split())
    return spent, foreseen


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=6000)
    parser.add_argument("--height", type=int, default=4000)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(*take(options.one))
        return
    print(f"| {options.width}x{options.height} | bytes a pixel | foreseen |\n| --- | ---: | ---: |")
    pixels = options.width * options.height
    for kind in PICTURES:
        with tempfile.TemporaryDirectory() as folder:
            spent, foreseen = taken(kind, options.width, options.height, Path(folder))
        print(f"| {kind} | {spent / pixels:.2f} | {foreseen / pixels:.2f} |", flush=True)


if __name__ == "__main__":
    main()
