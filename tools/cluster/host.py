"""Programs and files of this machine: commands with clear failures, mounts, control groups."""

import ctypes
import errno
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.cluster.errors import ClusterError
from tools.cluster.processes import kill_and_wait, tail_of, wait_until

_LIBC = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2  # umount2(2)
_CGROUPS = Path("/sys/fs/cgroup")
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))  # Debian's, and everybody else's
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # where nft and iptables are, and a user's PATH often is not


def command(arguments: Sequence[str], *, stdin: str | None = None, environment: dict[str, str] | None = None) -> str:
    """Run a program and return its stdout.

    Raises:
        ClusterError: It failed; with the end of what it wrote.
    """
    result = subprocess.run(
        list(arguments),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SBIN}", **(environment or {})},
    )
    if result.returncode != 0:
        wrote = tail_of((result.stderr or result.stdout).splitlines())
        raise ClusterError(f"`{' '.join(arguments)}` failed with exit code {result.returncode}:\n{wrote}")
    return result.stdout


def cni_plugins() -> Path:
    """The folder of the CNI plugins."""
    return next(folder for folder in CNI_FOLDERS if (folder / "ptp").exists())


def unmount_below(folders: Iterable[Path]) -> None:
    """Unmount everything at or below these folders, the latest mount first: some are stacked."""
    roots = [folder.resolve() for folder in folders]
    # proc_pid_mountinfo(5): the fifth field is the mount point, its spaces written in octal.
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    for point in reversed(points):
        if any(point == root or root in point.parents for root in roots):
            _LIBC.umount2(os.fsencode(point), _MNT_DETACH)


def create_cgroup(name: str) -> None:
    """Make a control group below the root in every hierarchy: one in version 2, several in version 1."""
    for root in _hierarchies():
        group = root / name
        group.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):  # version 1: a group without them takes no process
            if (group / file).exists() and not (group / file).read_text().strip():
                (group / file).write_text((root / file).read_text())


def remove_cgroup(name: str) -> None:
    """Kill every process in a control group and those below it, then remove them all."""

    def processes() -> list[int]:
        files = [file for root in _hierarchies() for file in (root / name).rglob("cgroup.procs")]
        return sorted({int(pid) for file in files for pid in file.read_text().split()})

    def emptied() -> bool:
        kill_and_wait(processes())  # what forks while it is being killed is found the next time
        return not processes()

    wait_until(emptied, what=f"the processes of the control group {name} to end", seconds=10)
    # The kernel lets go of a group a moment after its last process.
    wait_until(lambda: _groups_removed(name), what=f"the control group {name} to be free", seconds=10)


def _groups_removed(name: str) -> bool:
    groups = [file.parent for root in _hierarchies() for file in (root / name).rglob("cgroup.procs")]
    for group in sorted(groups, key=lambda path: len(path.parts), reverse=True):
        try:
            group.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
    return True


def _hierarchies() -> list[Path]:
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [path for path in _CGROUPS.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink()]


def processes_with_argument(argument: str) -> list[int]:
    """The ids of processes that have exactly this among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:  # it ended meanwhile
                continue
            if argument.encode() in arguments:
                found.append(int(entry.name))
    return found
