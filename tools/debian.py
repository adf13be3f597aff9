"""Installs Debian packages of which a program is missing."""

import os
import shutil
from collections.abc import Mapping, Sequence

from tools.cluster.console import say
from tools.cluster.errors import ClusterError
from tools.cluster.host import CNI_FOLDERS, SBIN, command
from tools.cluster.locking import exclusive
from tools.cluster.paths import cache_directory


def missing(programs: Mapping[str, str]) -> list[str]:
    """The packages, given by program, of which the program is not to be found."""
    search = ":".join([os.environ.get("PATH", ""), SBIN, *map(str, CNI_FOLDERS)])
    return [package for program, package in programs.items() if not shutil.which(program, path=search)]


def install(packages: Sequence[str], *, purpose: str) -> None:
    """Install packages, if there are any in the list.

    Raises ClusterError, which says what to install by hand, where that takes root or another system than Debian.
    """
    if not packages:
        return
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise ClusterError(f"{purpose} takes {names} (Debian's names): install them and run this again")
    if os.geteuid() != 0:
        raise ClusterError(f"{purpose} takes {names}: run this again after `sudo apt-get install {names}`")
    with exclusive(cache_directory() / "apt.lock", waiting_for="another installation of packages"):
        say(f"installing Debian packages: {names}")
        apt = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
        quietly = {"DEBIAN_FRONTEND": "noninteractive"}
        try:
            command(apt, environment=quietly)
        except ClusterError:  # the lists are missing or name versions that are gone
            command(["apt-get", "update", "--quiet"])
            command(apt, environment=quietly)
