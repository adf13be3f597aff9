"""Puts the finished model where it belongs: on the earth where GPS is good enough for that, or else upright."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pycolmap

from pointcloud_api.resource import Georeferencing
from pointcloud_api.stages import StageWarning, Units
from pointcloud_colmap.georeference import (
    Georeference,
    NotGeoreferencedError,
    georeference,
    read_positions,
    warn_of_gps,
)
from pointcloud_colmap.orientation import level


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


def place(model: pycolmap.Reconstruction, database: Path, wish: Georeferencing) -> Placement:
    """Move the model, in place. It comes last, because thresholds of earlier steps are in the model's own unit."""
    positions = read_positions(database) if wish is Georeferencing.AUTO else {}
    warning = None
    if positions:
        try:
            found, gps_errors, moved = georeference(model, positions)
        except NotGeoreferencedError as declined:
            warning = warn_of_gps(declined)
        else:
            return Placement(from_model=moved, georeference=found, gps_errors=gps_errors)
    return Placement(from_model=level(model), warning=warning)
