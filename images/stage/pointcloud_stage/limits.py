"""What the container may use, read from its control group, since a process sees the whole machine otherwise.

Files and their meaning: https://docs.kernel.org/admin-guide/cgroup-v2.html and, for version 1,
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
"""

import math
import os
from pathlib import Path
from typing import Final

CGROUP: Final = Path("/sys/fs/cgroup")
_V1_UNLIMITED: Final = 2**60
"""Version 1 says "no limit" by a number near 2**63 rounded to pages."""


def memory_limit(cgroup: Path = CGROUP) -> int | None:
    """Bytes of memory the container may use, or None when nothing but the machine bounds it."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(cgroup / name)
        if text is not None and text.isdecimal():
            limit = int(text)
            return limit if limit < _V1_UNLIMITED else None
    return None


def available_memory() -> int:
    """Bytes that the process may use: the container's limit, or the machine's memory where there is none."""
    return memory_limit() or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def gib(size: int) -> str:
    """Bytes as a quantity for the spec, rounded up: `1.5Gi`."""
    return f"{-(-size * 10 // 2**30) / 10:.1f}Gi"


def oom_kills(cgroup: Path = CGROUP) -> int | None:
    """How many processes of the container the kernel has killed for memory so far; None when it does not say."""
    for name in ("memory.events", "memory/memory.oom_control"):
        for line in (_read(cgroup / name) or "").splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill" and value.isdecimal():
                return int(value)
    return None


def cpu_limit(cgroup: Path = CGROUP) -> int:
    """Processors worth using at once: the container's quota rounded up, at most what it may be scheduled on."""
    available = len(os.sched_getaffinity(0))
    quota, _, period = (_read(cgroup / "cpu.max") or "").partition(" ")
    if not quota.isdecimal():
        quota = _read(cgroup / "cpu/cpu.cfs_quota_us") or ""
        period = _read(cgroup / "cpu/cpu.cfs_period_us") or ""
    if not (quota.isdecimal() and period.isdecimal()):
        return available
    return max(1, min(available, math.ceil(int(quota) / int(period))))


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return None
