"""Writes the reconstruct stage's files: points for the octree, COLMAP's model for other programs, view and report."""

from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.base import ApiModel
from pointcloud_api.stages import POINTS_FILE, VIEW_FILE
from pointcloud_colmap.report import Report
from pointcloud_colmap.view import View

_REPORT_FILE: Final = "report.json"
_MODEL_FOLDER: Final = "sparse"


def export(reconstruction: pycolmap.Reconstruction, folder: Path, *, view: View, report: Report) -> tuple[str, ...]:
    """Write all files below the folder, which is made, and give their relative paths.

    COLMAP's model is written both as binary, which is exact, and as text, which anyone can read:
    https://colmap.github.io/format.html.
    """
    model = folder / _MODEL_FOLDER
    model.mkdir(parents=True)
    reconstruction.export_PLY(folder / POINTS_FILE)
    reconstruction.write_binary(model)
    reconstruction.write_text(model)
    _write_json(folder / VIEW_FILE, view)
    _write_json(folder / _REPORT_FILE, report)
    return tuple(sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()))


def _write_json(file: Path, content: ApiModel) -> None:
    file.write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
