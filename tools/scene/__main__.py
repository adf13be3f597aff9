"""`python -m tools.scene OUT_DIR`: renders the sample photos and the truth about their cameras."""

import argparse
import sys
from pathlib import Path

from tools.scene.photos import PHOTOS, WIDTH, render
from tools.scene.scenes import LENS, NAMES, scene


def main() -> None:
    """Parse the command line and render."""
    parser = argparse.ArgumentParser(prog="python -m tools.scene", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="OUT_DIR", help="gets photos/*.jpg and truth/cameras.json")
    parser.add_argument("--scene", choices=NAMES, default="orbit", help="what the camera does (default: %(default)s)")
    parser.add_argument("--photos", type=int, default=PHOTOS, help="how many (default: %(default)s)")
    parser.add_argument("--width", type=int, default=WIDTH, help="in pixels, of 4:3 (default: %(default)s)")
    parser.add_argument("--distorted", action="store_true", help="through a lens that bends straight lines")
    arguments = parser.parse_args()
    chosen = scene(
        arguments.scene,
        photos=arguments.photos,
        width=arguments.width,
        radial=LENS if arguments.distorted else (0.0, 0.0),
    )
    render(
        arguments.folder,
        chosen,
        progress=lambda done, total: print(f"rendered {done} of {total} photos", file=sys.stderr),
    )
    print(arguments.folder / "photos")


if __name__ == "__main__":
    main()
