"""The two programs that can build an image: buildah, which needs no daemon, and docker."""

import functools
import os
import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

from tools import debian
from tools.cluster.console import say
from tools.cluster.host import command, unmount_below
from tools.images.base import PROGRAMS, make_base
from tools.images.catalogue import ROOT
from tools.images.errors import ImageError

PASSED_ON: Final = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "NPM_CONFIG_REGISTRY")
"""Variables that builds take over as they are. The proxies' need no mention: both engines pass them on."""
CERTIFICATES: Final = ("PIP_CERT", "NODE_EXTRA_CA_CERTS")
"""Variables that name a file of certificate authorities, which builds must be able to read."""

_STEP: Final = re.compile(r"STEP \d+/\d+: ((?:RUN|COPY) .*)|^#\d+ \[[^]]*\d+/\d+\] ((?:RUN|COPY) .*)")

_CACHED: Final = re.compile(r"Using cache|CACHED")
"""What follows a step that was done before."""


class Engine(ABC):
    """Builds one image at a time and writes it to a file."""

    @abstractmethod
    def ready(self) -> AbstractContextManager[None]:
        """Make sure that the image that all Dockerfiles start from can be had; unmount at the end what that took."""

    @abstractmethod
    def build(self, *, dockerfile: Path, reference: str, arguments: Mapping[str, str], log: Path) -> None:
        """Build an image from the clone and tag it; raises ImageError with the end of the log."""

    @abstractmethod
    def save(self, reference: str, archive: Path) -> None:
        """Write the image to a file that `python -m tools.cluster load` takes."""


class Buildah(Engine):
    """buildah with a store of its own in the cache, so that a developer's own images are left alone."""

    def __init__(self, cache: Path) -> None:
        """Keep layers below `cache`."""
        self._cache = cache
        self._buildah = ("buildah", "--root", str(cache / "storage"), "--runroot", str(cache / "run"))

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Make the base from Debian's packages: the machine may reach no registry of images."""
        debian.install(debian.missing(PROGRAMS), purpose="building images without Docker")
        try:
            make_base(self._buildah, self._cache)
            yield
        finally:
            unmount_below([self._cache / "storage"])  # buildah mounts its store upon itself

    def build(self, *, dockerfile: Path, reference: str, arguments: Mapping[str, str], log: Path) -> None:
        """Build with every time set to 0, so that equal inputs give an equal image."""
        # chroot: needs neither a runtime nor namespaces, so it also works inside a container.
        options = ["--isolation", "chroot", "--network", "host", "--pull-never", "--layers", "--timestamp", "0"]
        for name, value in {**_passed_on(), **arguments}.items():
            options += ["--build-arg", f"{name}={value}"]
        options += self._certificates()
        _logged([*self._buildah, "bud", *options, "--tag", reference, "--file", str(dockerfile), str(ROOT)], log)

    def save(self, reference: str, archive: Path) -> None:
        """Write a Docker archive, whose layers are not compressed: it goes to a node of this machine and no further."""
        push = [*self._buildah, "push", "--quiet", reference]
        command([*push, f"docker-archive:{archive}:{reference}"])

    def _certificates(self) -> list[str]:
        """Options that let a build read the certificate authorities that this machine's environment names."""
        folder = self._cache / "certificates"
        folder.mkdir(exist_ok=True)
        # /mnt is in every image and empty, so that the mount leaves nothing in a layer.
        options = ["--volume", f"{folder}:/mnt:ro"]
        for name in CERTIFICATES:
            if file := os.environ.get(name):
                shutil.copyfile(file, folder / f"{name}.pem")
                options += ["--build-arg", f"{name}=/mnt/{name}.pem"]
        return options


class Docker(Engine):
    """A Docker daemon, which pulls the base itself."""

    def ready(self) -> AbstractContextManager[None]:
        """Nothing to do."""
        return nullcontext()

    def build(self, *, dockerfile: Path, reference: str, arguments: Mapping[str, str], log: Path) -> None:
        """Build with BuildKit."""
        options = ["--progress", "plain"]
        for name, value in {"SOURCE_DATE_EPOCH": "0", **_passed_on(), **arguments}.items():
            options += ["--build-arg", f"{name}={value}"]
        _logged(["docker", "build", *options, "--tag", reference, "--file", str(dockerfile), str(ROOT)], log)

    def save(self, reference: str, archive: Path) -> None:
        """Write a Docker archive."""
        command(["docker", "save", "--output", str(archive), reference])


def choose(name: str | None, cache: Path) -> Engine:
    """The engine of that name, or the one that this machine has: docker where its daemon answers, else buildah."""
    if name == "docker" or (name is None and _docker_answers()):
        return Docker()
    return Buildah(cache)


@functools.cache
def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "version"], capture_output=True, check=False, timeout=30).returncode == 0


def _passed_on() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}


def _logged(arguments: list[str], log: Path) -> None:
    """Run a build with its output in `log`, telling each step that is really done."""
    log.parent.mkdir(parents=True, exist_ok=True)
    step = ""
    with log.open("w") as file, _started(arguments) as process:
        for line in process.stdout or ():
            file.write(line)
            if step and not _CACHED.search(line):
                say(f"    {step}")
            begun = _STEP.search(line)
            step = (begun[1] or begun[2])[:100].strip() if begun else ""
    if process.returncode:
        end = "".join(log.read_text().splitlines(keepends=True)[-20:])
        raise ImageError(f"the build failed; the end of {log}:\n{end}")


def _started(arguments: list[str]) -> "subprocess.Popen[str]":
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
    )
