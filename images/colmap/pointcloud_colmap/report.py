"""`report.json`: everything about a reconstruction that a person may ask for afterwards."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pycolmap

from pointcloud_api.base import ApiModel
from pointcloud_api.resource import Quality
from pointcloud_api.stages import Figures, StageWarning
from pointcloud_colmap.presets import Preset


class Model(ApiModel):
    """One of the models that mapping made."""

    images: int
    points: int

    @classmethod
    def of(cls, model: pycolmap.Reconstruction) -> Self:
        """Count."""
        return cls(images=model.num_reg_images(), points=model.num_points3D())


class Report(ApiModel):
    """The report."""

    figures: Figures
    """As in the stage's result."""
    unregistered: tuple[str, ...]
    """Names of the usable photos that the exported model does not place."""
    cameras: int
    """Of the exported model; photos of one camera share its calibration."""
    pairs_matched: int
    pairs_verified: int
    models: tuple[Model, ...]
    """The exported one first."""
    seconds: dict[str, float]
    """Wall time by step."""
    versions: dict[str, str]
    quality: Quality
    settings: Preset
    """What the quality meant on the device."""
    warnings: tuple[StageWarning, ...]


class Stopwatch:
    """Adds up the seconds of named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the body."""
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 2)
