"""Pins the dependencies: one lock file an image and one for development, with hashes and without addresses.

`make lock` runs it; a lock file is made anew only from pyproject.toml, so a changed pin is always a decision there.
"""

import subprocess
import sys
from pathlib import Path

IMAGES = ("operator", "gateway", "ingest", "colmap", "colmap-cuda12", "potree", "viewer")
DEVELOPMENT = ("operator", "gateway", "ingest", "colmap", "potree", "viewer")
FOLDER = Path("requirements")


def _compile(output: Path, *selection: str) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet", "--universal"),
            *("--python-version", "3.11", "--generate-hashes", "--no-emit-index-url"),
            *("--no-emit-package", "pointcloud-operator", "--custom-compile-command", "make lock"),
            *("--output-file", str(output), *selection),
        ],
        check=True,
    )


def main() -> None:
    """Write every lock file."""
    FOLDER.mkdir(exist_ok=True)
    for image in IMAGES:
        _compile(FOLDER / f"{image}.txt", "--extra", image)
    extras = [word for extra in DEVELOPMENT for word in ("--extra", extra)]
    _compile(FOLDER / "dev.txt", *extras, "--group", "dev")


if __name__ == "__main__":
    main()
