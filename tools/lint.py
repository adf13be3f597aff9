"""Every check that needs no running program: `make lint`. Runs them all, then fails if one did."""

import shutil
import subprocess
import sys
from pathlib import Path

from tools import generate
from tools.cluster.build import programs

CODE = ("operator", "images", "tools", "tests")
PACKAGES = (
    "operator/pointcloud_api",
    "operator/pointcloud_operator",
    "tools",
    "tests",
    *sorted(str(path) for path in Path("images").glob("*/pointcloud_*")),
)
VIEWER = Path("images/potree/viewer")


def _checks() -> dict[str, list[str]]:
    python = sys.executable
    shell_scripts = [".ci/run", *map(str, Path().glob("tools/**/*.sh"))]
    return {
        "ruff": [python, "-m", "ruff", "check", "--quiet", *CODE],
        "ruff format": [python, "-m", "ruff", "format", "--quiet", "--diff", *CODE],
        "mypy": [python, "-m", "mypy", "--no-error-summary", *PACKAGES],
        "import-linter": [str(Path(python).with_name("lint-imports")), "--no-cache"],
        "shellcheck": [str(Path(python).with_name("shellcheck")), *shell_scripts],
        "helm lint": [str(programs() / "helm"), "lint", "--strict", "--quiet", "charts/pointcloud-operator"],
        "viewer": ["npm", "--prefix", str(VIEWER), "run", "--silent", "check"],
    }


def main() -> int:
    """Run every check; the exit status is 1 if one failed."""
    failed = ["generated files"] if generate.main(["--check"]) else []
    if shutil.which("npm") and not (VIEWER / "node_modules").is_dir():
        subprocess.run(["npm", "--prefix", str(VIEWER), "ci", "--silent"], check=True)
    for name, command in _checks().items():
        print(f"lint: {name}", flush=True)
        if subprocess.run(command, check=False).returncode != 0:
            failed.append(name)
    if failed:
        print(f"lint failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
