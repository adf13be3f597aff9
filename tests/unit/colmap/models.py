"""Synthetic reconstructions, exact but for what a test does to them."""

import pycolmap


def synthetic(*, frames: int = 8, points: int = 300, **options: object) -> pycolmap.Reconstruction:
    """Cameras around a box of points, each of which most of them see."""
    pycolmap.set_random_seed(0)
    return pycolmap.synthesize_dataset(
        pycolmap.SyntheticDatasetOptions(
            num_rigs=1, num_cameras_per_rig=1, num_frames_per_rig=frames, num_points3D=points, **options
        )
    )
