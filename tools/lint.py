"""Every check that needs no running program: `make lint`. Runs them all, then fails if one did."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tools import generate, pages
from tools.cluster.build import programs

CODE = ("operator", "images", "tools", "tests")
PACKAGES = (
    "operator/pointcloud_api",
    "operator/pointcloud_kube",
    "operator/pointcloud_net",
    "operator/pointcloud_operator",
    "tools",
    "tests",
    *sorted(str(path) for path in Path("images").glob("*/pointcloud_*")),
)


def _run(*command: str | Path) -> Callable[[], bool]:
    return lambda: subprocess.run(command, check=False).returncode == 0


def checks() -> dict[str, Callable[[], bool]]:
    """Every check by name; calling one tells whether all is well."""
    python, scripts = sys.executable, Path(sys.executable).parent
    return {
        "generated files": lambda: generate.main(["--check"]) == 0,
        "ruff": _run(python, "-m", "ruff", "check", "--quiet", *CODE),
        "ruff format": _run(python, "-m", "ruff", "format", "--quiet", "--diff", *CODE),
        "mypy": _run(python, "-m", "mypy", "--no-error-summary", *PACKAGES),
        "import-linter": _run(scripts / "lint-imports", "--no-cache"),
        "shellcheck": _run(scripts / "shellcheck", ".ci/run"),
        "helm lint": _run(programs() / "helm", "lint", "--strict", "--quiet", "charts/pointcloud-operator"),
        "viewer": pages.VIEWER.check,
        "web page": pages.WEB.check,
    }


def main() -> int:
    """Run every check; the exit status is 1 if one failed."""
    failed = []
    for name, passes in checks().items():
        print(f"lint: {name}", flush=True)
        if not passes():
            failed.append(name)
    if failed:
        print(f"lint failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
