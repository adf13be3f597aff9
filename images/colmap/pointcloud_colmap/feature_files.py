"""Features of one photo in a file: two arrays, 152 bytes a feature, as COLMAP's database holds them.

Deflating them would take away less than a fifth. And no archive of arrays: that needs zlib, and Python's crashes in a
process that has loaded COLMAP, which brings one of its own.
"""

from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

FeatureArrays = tuple[NDArray[np.float32], pycolmap.FeatureDescriptors]
"""Keypoints (N, 6) and descriptors (N, 128) of one photo."""


def read_features(file: Path) -> FeatureArrays:
    """The features in a file. Raises ValueError when it holds something else."""
    with file.open("rb") as stream:
        try:
            keypoints, descriptors = np.load(stream, allow_pickle=False), np.load(stream, allow_pickle=False)
        except (EOFError, ValueError) as error:
            raise ValueError(f"{file.name} holds no features: {error}") from None
    if keypoints.ndim != 2 or keypoints.shape[1] != 6 or descriptors.shape != (len(keypoints), 128):
        raise ValueError(f"{file.name} holds no features: arrays of {keypoints.shape} and {descriptors.shape}")
    return keypoints, pycolmap.FeatureDescriptors(pycolmap.FeatureExtractorType.SIFT, descriptors)


def write_features(file: Path, features: FeatureArrays) -> None:
    """Write what `read_features` reads."""
    keypoints, descriptors = features
    with file.open("wb") as stream:
        np.save(stream, keypoints)
        np.save(stream, descriptors.data)
