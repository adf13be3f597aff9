"""Puts the finished model where it belongs: on the earth where GPS is good enough for that, or else upright."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pycolmap

from pointcloud_api.resource import Georeferencing
from pointcloud_api.stages import StageWarning, Units
from pointcloud_colmap.exif import Shot
from pointcloud_colmap.georeference import (
    Georeference,
    NotGeoreferencedError,
    georeference,
    warn_of_gps,
)
from pointcloud_colmap.orientation import FloatArray, level


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the model is now; up is +Z in any case."""

    from_model: pycolmap.Sim3d
    """How it got there, for what is to move with it."""

    georeference: Georeference | None = None
    gps_errors: Mapping[str, float] = field(default_factory=dict)
    """Metres by name of the photo."""
    warning: StageWarning | None = None
    """Photos have GPS positions, which could not be used."""

    @property
    def units(self) -> Units:
        """Of all coordinates."""
        return Units.ARBITRARY if self.georeference is None else Units.METRES


def place(model: pycolmap.Reconstruction, shots: Mapping[str, Shot], wish: Georeferencing) -> Placement:
    """Move the model, in place. It comes last, because thresholds of earlier steps are in the model's own unit."""
    positions = _whole_positions(shots) if wish is Georeferencing.AUTO else {}
    warning = None
    if positions:
        try:
            found, gps_errors, moved = georeference(model, positions)
        except NotGeoreferencedError as declined:
            warning = warn_of_gps(declined)
        else:
            return Placement(from_model=moved, georeference=found, gps_errors=gps_errors)
    return Placement(from_model=level(model), warning=warning)


def _whole_positions(shots: Mapping[str, Shot]) -> dict[str, FloatArray]:
    """Latitude and longitude in degrees and altitude in metres (3,), by name, of the photos that tell all three."""
    told = ((name, shot.position) for name, shot in shots.items())
    return {name: np.array(at, np.float64) for name, at in told if at is not None and at.altitude is not None}
