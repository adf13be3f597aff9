"""Joins models that share photos: COLMAP makes several where one photo would not fit on to the next."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pycolmap

_SHARED: Final = 3
"""Photos that two models must share: fewer fix neither scale nor place."""
_WORSE: Final = 1.5
"""Times the reprojection error of the model that was joined to, above which the joint one is taken to be wrong."""


def merge_models(
    models: Sequence[pycolmap.Reconstruction], database: Path, *, options: pycolmap.IncrementalPipelineOptions
) -> tuple[list[pycolmap.Reconstruction], int]:
    """The models, one at least, the largest first, joined by those that share photos with it, and how many those are.

    A joint model that has fewer photos than it should, or a worse fit, is dropped, and the two stay apart.
    """
    largest, *others = sorted(models, key=lambda model: (model.num_reg_images(), model.num_points3D()), reverse=True)
    apart = []
    for other in others:
        if (joint := _joint(largest, other, database, options)) is None:
            apart.append(other)
        else:
            largest = joint
    return [largest, *apart], len(others) - len(apart)


def _joint(
    larger: pycolmap.Reconstruction,
    smaller: pycolmap.Reconstruction,
    database: Path,
    options: pycolmap.IncrementalPipelineOptions,
) -> pycolmap.Reconstruction | None:
    if len(larger.find_common_reg_image_ids(smaller)) < _SHARED:
        return None
    to_larger = pycolmap.align_reconstructions_via_reprojections(smaller, larger)
    if to_larger is None:
        return None
    joint = pycolmap.Reconstruction(larger)
    placed = pycolmap.Reconstruction(smaller)
    placed.transform(to_larger)
    with pycolmap.Database.open(database) as connection:
        cache = pycolmap.DatabaseCache.create(connection, pycolmap.DatabaseCacheOptions())
        mapper = pycolmap.IncrementalMapper(cache)
        mapper.begin_reconstruction(joint)
        new = sorted(set(placed.reg_image_ids()) - set(larger.reg_image_ids()))
        for image_id in new:
            image = joint.image(image_id)
            joint.frame(image.frame_id).set_cam_from_world(image.camera_id, placed.image(image_id).cam_from_world())
            joint.register_frame(image.frame_id)
        for image_id in new:
            mapper.triangulate_image(options.get_triangulation(), image_id)
        mapper.iterative_global_refinement(
            options.ba_global_max_refinements,
            options.ba_global_max_refinement_change,
            options.get_mapper(),
            options.get_global_bundle_adjustment(),
            options.get_triangulation(),
        )
        mapper.end_reconstruction(discard=False)
    return joint if _is_sane(joint, larger, new) else None


def _is_sane(joint: pycolmap.Reconstruction, larger: pycolmap.Reconstruction, new: Sequence[int]) -> bool:
    larger.update_point_3d_errors()
    joint.update_point_3d_errors()
    whole = set(joint.reg_image_ids()) >= {*larger.reg_image_ids(), *new}
    fits = joint.compute_mean_reprojection_error() <= _WORSE * larger.compute_mean_reprojection_error()
    return whole and fits and joint.num_points3D() >= larger.num_points3D()
