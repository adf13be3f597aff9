"""Where a model is put, by what COLMAP's database says of the photos' positions."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest

from pointcloud_api.resource import Georeferencing
from pointcloud_api.stages import Units
from pointcloud_colmap.georeference import read_positions
from pointcloud_colmap.orientation import FloatArray
from pointcloud_colmap.placement import place
from tests.unit.colmap.models import synthetic

PLACE = (46.8426, -91.994, 180.0)


def database(folder: Path, model: pycolmap.Reconstruction, places: FloatArray, *, system: str = "WGS84") -> Path:
    """As COLMAP makes it of the model's photos, the first of which have these positions."""
    file = folder / "database.db"
    with pycolmap.Database.open(file) as connection:
        camera_id = connection.write_camera(next(iter(model.cameras.values())))
        for number, image in enumerate(sorted(model.images.values(), key=lambda image: image.name)):
            image_id = connection.write_image(pycolmap.Image(name=image.name, camera_id=camera_id))
            if number < len(places):
                prior = pycolmap.PosePrior(
                    corr_data_id=pycolmap.data_t(pycolmap.sensor_t(pycolmap.SensorType.CAMERA, camera_id), image_id),
                    position=places[number],
                    coordinate_system=getattr(pycolmap.PosePriorCoordinateSystem, system),
                )
                connection.write_pose_prior(prior)
    return file


def places_of(model: pycolmap.Reconstruction) -> FloatArray:
    """Of its photos, by name, were it ten times as large."""
    images = sorted(model.images.values(), key=lambda image: image.name)
    centres = 10 * np.array([image.projection_center() for image in images])
    return pycolmap.GPSTransform().enu_to_ellipsoid(centres, *PLACE)


def centres_of(model: pycolmap.Reconstruction) -> FloatArray:
    return np.array([image.projection_center() for _, image in sorted(model.images.items())])


def extent(model: pycolmap.Reconstruction) -> float:
    return float(np.linalg.norm(np.ptp(centres_of(model), axis=0)))


def test_positions_are_read_by_name_and_only_where_they_are_on_the_earth(tmp_path: Path) -> None:
    model = synthetic()
    places = places_of(model)
    found = read_positions(database(tmp_path, model, places[:5]))
    names = sorted(image.name for image in model.images.values())
    assert list(found) == names[:5]
    assert np.array(list(found.values())) == pytest.approx(places[:5])
    (tmp_path / "other").mkdir()
    assert read_positions(database(tmp_path / "other", model, places, system="CARTESIAN")) == {}


def test_gps_gives_metres(tmp_path: Path) -> None:
    model = synthetic()
    before = extent(model)
    centres = centres_of(model)
    placement = place(model, database(tmp_path, model, places_of(model)), Georeferencing.AUTO)
    assert placement.units is Units.METRES
    assert placement.from_model * centres == pytest.approx(centres_of(model), abs=1e-6)
    assert placement.georeference is not None
    assert len(placement.gps_errors) == 8
    assert 5 * before < extent(model) < 20 * before


def test_bad_gps_is_a_warning_and_scale_stays(tmp_path: Path) -> None:
    model = synthetic()
    before = extent(model)
    placement = place(model, database(tmp_path, model, places_of(model)[:2]), Georeferencing.AUTO)
    assert (placement.units, placement.georeference) == (Units.ARBITRARY, None)
    assert placement.warning is not None
    assert "2 of 8 registered photos" in placement.warning.message
    assert 0.5 * before < extent(model) < 2 * before


@pytest.mark.parametrize("positions", [0, 8])
def test_without_gps_and_without_the_wish_for_it_there_is_no_warning(tmp_path: Path, positions: int) -> None:
    model = synthetic()
    wish = Georeferencing.NONE if positions else Georeferencing.AUTO
    centres = centres_of(model)
    placement = place(model, database(tmp_path, model, places_of(model)[:positions]), wish)
    assert (placement.units, placement.georeference, placement.warning) == (Units.ARBITRARY, None, None)
    assert placement.from_model * centres == pytest.approx(centres_of(model), abs=1e-6)
