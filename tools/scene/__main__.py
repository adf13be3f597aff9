"""`python -m tools.scene OUT_DIR`: renders the sample photos and the truth about their cameras."""

import argparse
import sys
from pathlib import Path

from tools.scene.photos import PHOTOS, WIDTH, write


def main() -> None:
    """Parse the command line and render."""
    parser = argparse.ArgumentParser(prog="python -m tools.scene", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="OUT_DIR", help="gets photos/*.jpg and truth/cameras.json")
    parser.add_argument("--photos", type=int, default=PHOTOS, help="how many, once around (default: %(default)s)")
    parser.add_argument("--width", type=int, default=WIDTH, help="in pixels, of 4:3 (default: %(default)s)")
    arguments = parser.parse_args()
    write(
        arguments.folder,
        photos=arguments.photos,
        width=arguments.width,
        progress=lambda done, total: print(f"rendered {done} of {total} photos", file=sys.stderr),
    )
    print(arguments.folder / "photos")


if __name__ == "__main__":
    main()
