"""Long-lived programs of the cluster: started once, recognised by later commands, killed without mistaking another.

A program is remembered in a record beside its log. A process is ours when its id, the boot it belongs to and the
moment it started all match the record: an id alone is given again to strangers.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.cluster.console import say
from tools.cluster.errors import ClusterError

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1  # prctl(2)
_LOG_LINES_SHOWN = 15


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """One program of the cluster.

    Attributes:
        name: What the program is called in messages; also names its log and record.
        argv: The command line; ``argv[0]`` is an absolute path or found in PATH.
        directory: Folder of the logs and records.
        files: Configuration, path to content, written before the program starts.
        environment: Added to this process's environment.
    """

    name: str
    argv: Sequence[str]
    directory: Path
    files: Mapping[Path, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """The file that takes the program's stdout and stderr."""
        return self.directory / f"{self.name}.log"

    @property
    def record(self) -> Path:
        """The file that remembers the running process."""
        return self.directory / f"{self.name}.json"

    @property
    def fingerprint(self) -> str:
        """Changes whenever a running process would have to be restarted to be as described here."""
        content = {str(path): text for path, text in self.files.items()}
        described = json.dumps([list(self.argv), content, dict(self.environment)], sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()

    def pid(self) -> int | None:
        """The id of the running process, or None if it has not been started or has ended."""
        try:
            record = json.loads(self.record.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        identity = process_identity(record["pid"])
        # One that ended before its record was written has no identity there either.
        return int(record["pid"]) if identity is not None and identity == record["identity"] else None

    def is_current(self) -> bool:
        """Whether the process runs, and as described here."""
        return self.pid() is not None and json.loads(self.record.read_text())["fingerprint"] == self.fingerprint

    def restart(self, *, with_parent: bool) -> None:
        """Start the program, first killing the process that runs it now, if there is one.

        Args:
            with_parent: Whether the kernel shall kill it when the thread that called this ends; otherwise it outlives
                this process, in a session of its own.
        """
        self.kill()
        say(f"starting {self.name}")
        self.directory.mkdir(parents=True, exist_ok=True)
        for path, text in self.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                list(self.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,  # a Ctrl-C in the terminal is for the command, not for the cluster
                preexec_fn=_die_with(os.getpid()) if with_parent else None,  # noqa: PLW1509 -- one prctl, no locks
            )
        _CHILDREN[child.pid] = child
        record = {"pid": child.pid, "identity": process_identity(child.pid), "fingerprint": self.fingerprint}
        self.record.write_text(json.dumps(record))

    def kill(self) -> None:
        """Kill the process, if it runs, and wait until it is gone.

        SIGKILL at once: on SIGTERM kube-apiserver waits a minute or more for its clients to leave.
        """
        if (pid := self.pid()) is not None:
            kill_and_wait([pid])
        self.record.unlink(missing_ok=True)

    def check(self) -> None:
        """Raise ClusterError with the end of the log unless the process runs."""
        if self.pid() is None:
            raise ClusterError(f"{self.name} has died; the last lines of {self.log}:\n{tail(self.log)}")


_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
"""Processes this one started, so that the dead are reaped and their ids never confused with living ones."""


def _die_with(parent: int) -> Callable[[], None]:
    def ask_the_kernel() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it was asked for
            os._exit(1)

    return ask_the_kernel


def process_identity(pid: int) -> str | None:
    """What tells this process from any other, ever: its boot and the clock tick it started at; None once it ended.

    A zombie has ended, whether or not its parent has noticed. Fields as in proc_pid_stat(5).
    """
    if child := _CHILDREN.get(pid):
        child.poll()
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *rest = stat.rpartition(")")[2].split()
    if state in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{rest[18]}"


def kill_and_wait(pids: Sequence[int]) -> None:
    """SIGKILL these processes and return when all have ended."""
    identities = {pid: process_identity(pid) for pid in pids}
    for pid, identity in identities.items():
        if identity is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    wait_until(
        lambda: all(identity is None or process_identity(pid) != identity for pid, identity in identities.items()),
        what="killed processes to end",
        seconds=30,
    )


def named(name: str, daemons: Sequence[Daemon]) -> Daemon:
    """The daemon of that name; ValueError says which there are."""
    by_name = {daemon.name: daemon for daemon in daemons}
    if name not in by_name:
        raise ValueError(f"no component {name!r}; there are {', '.join(by_name)}")
    return by_name[name]


def pids_with(variable: str, value: str) -> list[int]:
    """Ids of the processes of this machine that were started with the variable at that value. Needs root."""
    wanted = f"{variable}={value}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended
            if wanted in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
    return found


def wait_until(
    condition: Callable[[], bool], *, what: str, seconds: float, watching: Sequence[Daemon] = (), interval: float = 0.1
) -> None:
    """Poll ``condition`` until it holds.

    Args:
        condition: Called every ``interval`` seconds.
        what: Ends the sentence "gave up waiting for ...".
        seconds: How long to wait at most.
        watching: Programs without which the wait is in vain.
        interval: Seconds between polls.

    Raises:
        ClusterError: The time is over, or a watched program died; with the ends of their logs.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        for daemon in watching:
            daemon.check()
        if time.monotonic() > deadline:
            logs = "".join(f"\nthe last lines of {daemon.log}:\n{tail(daemon.log)}" for daemon in watching)
            raise ClusterError(f"gave up waiting for {what} after {seconds:.0f} s{logs}")
        time.sleep(interval)


def tail(log: Path) -> str:
    """The end of a log, ready to stand in a message."""
    try:
        return tail_of(log.read_text(errors="replace").splitlines())
    except FileNotFoundError:
        return "  (no log)"


def tail_of(lines: Sequence[str]) -> str:
    """The last lines, indented, each cut to what a terminal shows."""
    return "\n".join(f"  {line[:400]}" for line in lines[-_LOG_LINES_SHOWN:]) or "  (empty)"
