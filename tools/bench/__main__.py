"""`make bench`: every benchmark in turn. Each compares side by side in one run, because machines differ and drift."""

import subprocess
import sys

BENCHMARKS = (
    "store",
    "gateway",
    "handover",
    "checkpoint",
    "quality",
    "accuracy",
    "overhead",
    "cleaning",
    "memory",
    "decoding",
    "similarity",
    "dense",
    "potree",
    "viewer",
)


def main() -> int:
    """Run all, or those named; the exit status is 1 if one failed."""
    failed = False
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"\n== {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"tools.bench.{name}"], check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
