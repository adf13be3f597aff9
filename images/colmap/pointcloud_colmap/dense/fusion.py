"""How COLMAP fuses these maps into one cloud."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pycolmap

AGREEING: Final = 3
"""Pixels that make a point of these maps, which are filtered more than COLMAP's own."""
_FOLDER: Final = "fusion"
_LINKED: Final = ("images", "stereo")


def fusion_workspace(workspace: Path) -> Path:
    """Make the workspace to give to pycolmap.stereo_fusion, in a folder of this one, and give its path.

    COLMAP's models count pixels from the corner of the first one, and its fusion takes a pixel's index for its place:
    half a pixel off, which moves points by as much. In this workspace the cameras are moved by that half pixel instead.
    It links to the images and maps.
    """
    folder = workspace / _FOLDER
    (folder / "sparse").mkdir(parents=True, exist_ok=True)
    for name in _LINKED:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(Path("..") / name, target_is_directory=True)
    model = pycolmap.Reconstruction(workspace / "sparse")
    for camera in model.cameras.values():
        camera.principal_point_x -= 0.5
        camera.principal_point_y -= 0.5
    model.write(folder / "sparse")
    return folder


def list_views(workspace: Path, names: Sequence[str]) -> None:
    """Write the list of views to fuse: of those on it, COLMAP takes maps to be there and whole."""
    (workspace / "stereo" / "fusion.cfg").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
