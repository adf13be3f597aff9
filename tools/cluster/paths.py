"""Where the cluster keeps what it builds and what it must remember, both outside the clone."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """The folder of built programs: ``$POINTCLOUD_CACHE``, or the user's cache by the XDG convention."""
    if override := os.environ.get("POINTCLOUD_CACHE"):
        root = Path(override)
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pointcloud-operator"
    return root.absolute() / "cluster"


def state_directory() -> Path:
    """The folder of the running cluster: ``$POINTCLOUD_STATE``, root's ``/var/lib``, or the user's state by XDG."""
    if override := os.environ.get("POINTCLOUD_STATE"):
        root = Path(override)
    elif os.geteuid() == 0:
        root = Path("/var/lib/pointcloud-operator")
    else:
        root = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "pointcloud-operator"
    return root.absolute() / "local"
