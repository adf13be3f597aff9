"""Where a model is put, by what the photos say of their positions."""

import numpy as np
import pycolmap
import pytest

from pointcloud_api.resource import Georeferencing
from pointcloud_api.stages import Units
from pointcloud_colmap.exif import Position, Shot
from pointcloud_colmap.orientation import FloatArray
from pointcloud_colmap.placement import place
from tests.unit.colmap.models import synthetic

PLACE = (46.8426, -91.994, 180.0)


def shots(model: pycolmap.Reconstruction, places: FloatArray) -> dict[str, Shot]:
    """What the model's photos say, the first of which have these positions."""
    names = sorted(image.name for image in model.images.values())
    known = {name: Position(*place) for name, place in zip(names, places.tolist(), strict=False)}
    return {name: Shot(position=known.get(name)) for name in names}


def places_of(model: pycolmap.Reconstruction) -> FloatArray:
    """Of its photos, by name, were it ten times as large."""
    images = sorted(model.images.values(), key=lambda image: image.name)
    centres = 10 * np.array([image.projection_center() for image in images])
    return pycolmap.GPSTransform().enu_to_ellipsoid(centres, *PLACE)


def centres_of(model: pycolmap.Reconstruction) -> FloatArray:
    return np.array([image.projection_center() for _, image in sorted(model.images.items())])


def extent(model: pycolmap.Reconstruction) -> float:
    return float(np.linalg.norm(np.ptp(centres_of(model), axis=0)))


def test_positions_without_altitude_do_not_count() -> None:
    model = synthetic()
    said = shots(model, places_of(model))
    for name in sorted(said)[:6]:
        position = said[name].position
        assert position
        said[name] = Shot(position=position._replace(altitude=None))
    placement = place(model, said, Georeferencing.AUTO)
    assert placement.warning is not None
    assert "2 of 8 registered photos" in placement.warning.message


def test_gps_gives_metres() -> None:
    model = synthetic()
    before = extent(model)
    centres = centres_of(model)
    placement = place(model, shots(model, places_of(model)), Georeferencing.AUTO)
    assert placement.units is Units.METRES
    assert placement.from_model * centres == pytest.approx(centres_of(model), abs=1e-6)
    assert placement.georeference is not None
    assert len(placement.gps_errors) == 8
    assert 5 * before < extent(model) < 20 * before


def test_bad_gps_is_a_warning_and_scale_stays() -> None:
    model = synthetic()
    before = extent(model)
    placement = place(model, shots(model, places_of(model)[:2]), Georeferencing.AUTO)
    assert (placement.units, placement.georeference) == (Units.ARBITRARY, None)
    assert placement.warning is not None
    assert "2 of 8 registered photos" in placement.warning.message
    assert 0.5 * before < extent(model) < 2 * before


@pytest.mark.parametrize("positions", [0, 8])
def test_without_gps_and_without_the_wish_for_it_there_is_no_warning(positions: int) -> None:
    model = synthetic()
    wish = Georeferencing.NONE if positions else Georeferencing.AUTO
    centres = centres_of(model)
    placement = place(model, shots(model, places_of(model)[:positions]), wish)
    assert (placement.units, placement.georeference, placement.warning) == (Units.ARBITRARY, None, None)
    assert placement.from_model * centres == pytest.approx(centres_of(model), abs=1e-6)
