"""Writes the reconstruct stage's files: points for the octree, what people and other programs want, view and report."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.base import ApiModel
from pointcloud_api.resource import ReconstructionExport
from pointcloud_api.stages import (
    LAZ_FILE,
    OUTPUT_MANIFEST,
    POINTS_FILE,
    REPORT_FILE,
    TRANSFORMS_FILE,
    VIEW_FILE,
    Artefact,
    OutputManifest,
)
from pointcloud_colmap.dense_cloud import DenseCloud
from pointcloud_colmap.laz import write_laz
from pointcloud_colmap.observations import Observations
from pointcloud_colmap.placement import Placement
from pointcloud_colmap.report import Report
from pointcloud_colmap.transforms import transforms
from pointcloud_colmap.undistortion import write_undistorted
from pointcloud_colmap.view import View
from pointcloud_stage import Reporter
from pointcloud_stage.store import sha256_of

Cloud = Observations | DenseCloud
"""What is shown: the model's own points, or those that depth maps agree on."""

_MODEL_FOLDER: Final = "sparse"
_PHOTOS_FOLDER: Final = "images"
"""Where transforms.json takes the photos to be, as nerfstudio's own tools do."""


def export_model(model: pycolmap.Reconstruction, cloud: Cloud, folder: Path, *, placement: Placement) -> None:
    """Write the model and the cloud into the folder, which is made.

    COLMAP's model is written both as binary, which is exact, and as text, which anyone can read:
    https://colmap.github.io/format.html. All files share one frame but points.laz, which is on the
    map if that is known.
    """
    (folder / _MODEL_FOLDER).mkdir(parents=True)
    model.write_binary(folder / _MODEL_FOLDER)
    model.write_text(folder / _MODEL_FOLDER)
    if isinstance(cloud, DenseCloud):
        cloud.write(folder / POINTS_FILE)
    else:
        model.export_PLY(folder / POINTS_FILE)
    write_laz(cloud.positions, cloud.colours, folder / LAZ_FILE, georeference=placement.georeference)
    document = transforms(model, images=_PHOTOS_FOLDER, points=POINTS_FILE)
    if document is None:
        print(f"{TRANSFORMS_FILE} is left out: nerfstudio's format has no word for these cameras")
    else:
        (folder / TRANSFORMS_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def export_on_request(
    exports: Sequence[ReconstructionExport], folder: Path, *, photos: Path, scratch: Path, progress: Reporter
) -> None:
    """Add what is made only where it is asked for to the folder that `export_model` has filled."""
    if ReconstructionExport.UNDISTORTED_IMAGES in exports:
        write_undistorted(folder / _MODEL_FOLDER, photos, folder, scratch=scratch, progress=progress)


def export_account(folder: Path, *, view: View, report: Report) -> tuple[str, ...]:
    """Write what tells of the other files, and give the relative paths of the stage's artefacts.

    The model's many files are listed by a manifest: together with the warnings they would not fit into the stage's
    result.
    """
    _write_json(folder / REPORT_FILE, report)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    outputs = tuple(
        Artefact(path=file.relative_to(folder).as_posix(), size=file.stat().st_size, sha256=sha256_of(file))
        for file in files
    )
    _write_json(folder / OUTPUT_MANIFEST, OutputManifest(files=outputs))
    _write_json(folder / VIEW_FILE, view)
    return (POINTS_FILE, REPORT_FILE, OUTPUT_MANIFEST, VIEW_FILE)


def _write_json(file: Path, content: ApiModel) -> None:
    file.write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
