"""The image that every Dockerfile starts from, made here from Debian's packages where no registry need be reached.

What it holds is what Debian's own `debian:trixie-slim` holds: the required packages, without documentation.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.cluster.console import say
from tools.cluster.host import command

SUITE: Final = "trixie"
BASE: Final = f"debian:{SUITE}-slim"
PROGRAMS: Final = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
"""What building without Docker takes, and the Debian package that has it."""

_LEFT_OUT: Final = ("man", "info", "locale", "doc", "groff", "lintian", "linda")


def make_base(buildah: Sequence[str], cache: Path) -> None:
    """Make the base and name it `BASE` in buildah's store, unless it is there."""
    found = subprocess.run([*buildah, "inspect", "--type", "image", BASE], capture_output=True, check=False)
    if found.returncode == 0:
        return
    archive = cache / f"{SUITE}.tar"
    if not archive.exists():
        say(f"images: making {BASE} from Debian's packages (20 to 60 s, once)")
        cache.mkdir(parents=True, exist_ok=True)
        partial = archive.with_suffix(".partial.tar")
        command(_mmdebstrap(partial), environment={"SOURCE_DATE_EPOCH": "0"})
        partial.rename(archive)
    container = command([*buildah, "from", "scratch"]).strip()
    command([*buildah, "add", "--quiet", container, str(archive), "/"])
    command([*buildah, "config", "--cmd", "bash", container])
    command([*buildah, "commit", "--quiet", "--rm", "--timestamp", "0", container, BASE])


def _mmdebstrap(archive: Path) -> list[str]:
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _LEFT_OUT]
    return [
        *("mmdebstrap", "--quiet", "--variant=minbase", *left_out),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        # mmdebstrap leaves the files of this machine in place.
        '--customize-hook=rm "$1/etc/hostname" "$1/etc/resolv.conf"',
        *(SUITE, str(archive)),
    ]
