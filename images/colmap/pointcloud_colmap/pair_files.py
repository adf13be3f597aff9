"""Compared pairs of photos in a file: their matches and the geometry that these agree with.

A pair refers to features by their numbers, so it is worth something only beside those very features: the file names
the SHA-256 of each photo's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pycolmap
from numpy.typing import NDArray

_MATRICES: Final = ("E", "F", "H")


@dataclass(frozen=True)
class ComparedPair:
    """What matching found out about two photos."""

    names: tuple[str, str]
    matches: NDArray[np.uint32]
    """(M, 2): numbers of features of the first and of the second photo."""
    geometry: pycolmap.TwoViewGeometry
    """Without a relative pose, which COLMAP's matching leaves out unless asked for it."""


def write_pairs(file: Path, pairs: Sequence[ComparedPair], digests: Mapping[str, str]) -> None:
    """Write what `read_pairs` reads; `digests` are the SHA-256 of the features by name of the photo."""
    names = sorted({name for pair in pairs for name in pair.names})
    number = {name: index for index, name in enumerate(names)}
    inliers = [pair.geometry.inlier_matches for pair in pairs]
    with file.open("wb") as stream:
        np.save(stream, np.array([(name, digests[name]) for name in names]))
        np.save(stream, np.array([[number[name] for name in pair.names] for pair in pairs], np.uint32))
        np.save(stream, np.array([pair.geometry.config for pair in pairs], np.uint32))
        np.save(stream, np.array([_matrices(pair.geometry) for pair in pairs]))
        np.save(stream, np.array([len(pair.matches) for pair in pairs], np.uint32))
        np.save(stream, np.array([len(some) for some in inliers], np.uint32))
        np.save(stream, np.concatenate([pair.matches for pair in pairs]))
        np.save(stream, np.concatenate(inliers))


def read_pairs(file: Path, digests: Mapping[str, str]) -> Iterator[ComparedPair]:
    """The pairs in a file whose two photos have these features. Raises ValueError when it holds something else."""
    with file.open("rb") as stream:
        try:
            photos, pairs, configs, matrices, matched, agreed, matches, inliers = (
                np.load(stream, allow_pickle=False) for _ in range(8)
            )
        except (EOFError, ValueError) as error:
            raise ValueError(f"{file.name} holds no pairs: {error}") from None
    current = {index: str(name) for index, (name, digest) in enumerate(photos) if digests.get(str(name)) == digest}
    starts = zip(_split(matches, matched), _split(inliers, agreed), strict=True)
    for (first, second), config, given, (some_matches, some_inliers) in zip(
        pairs, configs, matrices, starts, strict=True
    ):
        if first in current and second in current:
            yield ComparedPair((current[first], current[second]), some_matches, _geometry(config, given, some_inliers))


def _split(rows: NDArray[np.uint32], lengths: NDArray[np.uint32]) -> list[NDArray[np.uint32]]:
    return np.split(rows, np.cumsum(lengths)[:-1])


def _matrices(geometry: pycolmap.TwoViewGeometry) -> NDArray[np.float64]:
    """(3, 3, 3); not-a-number stands for a matrix that there is none of."""
    given = (getattr(geometry, name) for name in _MATRICES)
    return np.array([np.full((3, 3), np.nan) if matrix is None else matrix for matrix in given])


def _geometry(
    config: np.uint32, matrices: NDArray[np.float64], inliers: NDArray[np.uint32]
) -> pycolmap.TwoViewGeometry:
    geometry = pycolmap.TwoViewGeometry(config=int(config), inlier_matches=inliers)
    for name, matrix in zip(_MATRICES, matrices, strict=True):
        if not np.isnan(matrix).any():
            setattr(geometry, name, matrix)
    return geometry
