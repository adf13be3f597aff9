"""GPS positions as phones, drones and survey receivers write them, good and bad, against flights that are known."""

import numpy as np
import pycolmap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointcloud_colmap.georeference import (
    NotGeoreferencedError,
    check_positions,
    fit_to_positions,
    georeference,
    warn_of_gps,
)
from pointcloud_colmap.orientation import FloatArray
from pointcloud_colmap.projection import Origin, local_positions, mean_origin, project, projected_crs
from tests.unit.colmap.models import synthetic

DULUTH = Origin(latitude=46.8426, longitude=-91.994)

Seed = st.integers(0, 2**32 - 1)


def orbit(photos: int, diameter: float) -> FloatArray:
    angles = np.linspace(0, 2 * np.pi, photos, endpoint=False)
    heights = diameter / 8 * (np.arange(photos) % 2)
    return np.column_stack([diameter / 2 * np.cos(angles), diameter / 2 * np.sin(angles), heights])


def strips(photos: int, length: float) -> FloatArray:
    """Nadir views in lines to and fro at one height, as a drone flies them."""
    along = np.tile(np.linspace(0, length, photos // 3), 3)
    across = np.repeat([0.0, length / 3, 2 * length / 3], photos // 3)
    return np.column_stack([along, across, np.full(len(along), 60.0)])


def line(photos: int, length: float) -> FloatArray:
    places: FloatArray = np.linspace(0, 1, photos)[:, None] * np.array([length, length / 2, 0.0])
    return places


def random_model(random: np.random.Generator) -> pycolmap.Sim3d:
    """From metres to the frame of a reconstruction, which knows neither scale nor north."""
    quaternion = random.normal(size=4)
    rotation = pycolmap.Rotation3d(quaternion / np.linalg.norm(quaternion))
    return pycolmap.Sim3d(float(10 ** random.uniform(-2, 1)), rotation, random.normal(size=3))


def places_of(local: FloatArray, origin: Origin = DULUTH) -> FloatArray:
    transform = pycolmap.GPSTransform()
    places: FloatArray = transform.enu_to_ellipsoid(local, origin.latitude, origin.longitude, origin.altitude)
    return places


@settings(max_examples=25, deadline=None)
@given(seed=Seed, flight=st.sampled_from([orbit(20, 120), strips(30, 200), orbit(8, 400)]), noise=st.floats(0.01, 1))
def test_any_similarity_is_recovered_as_well_as_foretold(seed: int, flight: FloatArray, noise: float) -> None:
    random = np.random.default_rng(seed)
    model = random_model(random)
    fit = fit_to_positions(model * flight, flight + random.normal(0, noise, flight.shape))
    left = fit.metres_from_model * model
    # Beyond five standard deviations lies one draw in a million; the small set knows its own deviation less well.
    assert abs(left.scale - 1) < 5 * fit.scale_error
    assert np.degrees(left.rotation.angle()) < 5 * fit.tilt_error
    assert np.linalg.norm(left * flight - flight, axis=1).max() < 4 * noise
    assert fit.scale_error < 0.02


@settings(max_examples=15, deadline=None)
@given(seed=Seed, wild=st.integers(1, 8), far=st.floats(30, 1e6))
def test_wild_positions_count_for_nothing(seed: int, wild: int, far: float) -> None:
    random = np.random.default_rng(seed)
    flight, model = strips(30, 200), random_model(random)
    positions = flight + random.normal(0, 0.5, flight.shape)
    strays = random.choice(len(flight), wild, replace=False)
    directions = random.normal(size=(wild, 3))
    positions[strays] += far * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    fit = fit_to_positions(model * flight, positions)
    assert not fit.used[strays].any()
    assert np.linalg.norm((fit.metres_from_model * model) * flight - flight, axis=1).max() < 2


def test_centimetres_are_not_spoilt_by_what_would_do_for_a_phone() -> None:
    random = np.random.default_rng(0)
    flight, model = strips(30, 200), random_model(random)
    positions = flight + random.normal(0, 0.02, flight.shape)
    positions[:4] += [5.0, 0.0, 0.0]
    fit = fit_to_positions(model * flight, positions)
    assert np.flatnonzero(~fit.used).tolist() == [0, 1, 2, 3]
    assert np.linalg.norm((fit.metres_from_model * model) * flight - flight, axis=1).max() < 0.05


RANDOM = np.random.default_rng(1)
CORRIDOR = line(20, 300) + RANDOM.normal(0, 1, (20, 3))
UNFIT = {
    "a flight along a corridor": (CORRIDOR, CORRIDOR + RANDOM.normal(0, 1, (20, 3)), "nearly on one line"),
    "a flight along a line": (line(20, 300), line(20, 300) + RANDOM.normal(0, 1, (20, 3)), "nearly on one line"),
    "exactly on a line": (line(20, 300), line(20, 300), "nearly on one line"),
    "a phone around a statue": (orbit(20, 6), orbit(20, 6) + RANDOM.normal(0, 4, (20, 3)), "leave the scale open by"),
    "three from a phone": (orbit(3, 30), orbit(3, 30) + RANDOM.normal(0, 0.1, (3, 3)), "leave the scale open by"),
    "of another flight": (strips(30, 300), RANDOM.permutation(strips(30, 300)), "positions agree with one another"),
    "altitudes at random": (
        orbit(40, 3000),
        orbit(40, 3000) + RANDOM.normal(0, [2, 2, 30], (40, 3)),
        "horizontally and",
    ),
    "all in one spot": (orbit(20, 20), np.full((20, 3), 5.0), "agree|leave the scale open"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_positions_that_would_spoil_the_cloud_are_declined(case: str) -> None:
    centres, positions, reason = UNFIT[case]
    model = random_model(np.random.default_rng(2))
    with pytest.raises(NotGeoreferencedError, match=reason) as declined:
        fit_to_positions(model * centres, positions)
    assert declined.value.remedy


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        (places_of(orbit(2, 50)), "2 of 20 registered photos carry latitude, longitude and altitude"),
        (np.empty((0, 3)), "0 of 20"),
        (places_of(orbit(20, 50)) * [1, 1, 0], "all altitudes are zero"),
        (places_of(np.tile([[3.0, 4.0, 60.0]], (20, 1))), "the same one or two positions"),
        (places_of(np.repeat([[3.0, 4.0, 60.0], [9.0, 9.0, 60.0]], 10, axis=0)), "the same one or two positions"),
    ],
)
def test_positions_that_cannot_do_whatever_the_model(places: FloatArray, reason: str) -> None:
    with pytest.raises(NotGeoreferencedError, match=reason):
        check_positions(places, photos=20)


def centres_by_name(model: pycolmap.Reconstruction) -> dict[str, FloatArray]:
    images = (model.image(image_id) for image_id in model.reg_image_ids())
    return {image.name: image.projection_center() for image in images}


def test_a_model_is_moved_to_east_north_and_up_around_its_origin() -> None:
    model = synthetic(frames=12)
    before = centres_by_name(model)
    # Fifty times as large, east where y was, and a mile from anywhere round.
    truth = {name: 50 * centre[[1, 2, 0]] + [1234.0, -567.0, 200.0] for name, centre in before.items()}
    place = dict(zip(truth, places_of(np.array(list(truth.values()))), strict=True))
    found, errors, moved = georeference(model, {**place, "unregistered.jpg": np.array([0.0, 0.0, 0.0])})

    assert (found.positions, found.positions_used) == (12, 12)
    assert found.residuals.max < 0.001
    assert found.crs == "EPSG:32615"
    local = local_positions(np.array(list(place.values())), found.origin)
    assert np.array(list(centres_by_name(model).values())) == pytest.approx(local, abs=0.001)
    assert local[:, 2].mean() == pytest.approx(200, abs=60), "z is the altitude"
    assert errors.keys() == before.keys()
    assert moved * np.array(list(before.values())) == pytest.approx(local, abs=0.001), "what moves with it"


def test_a_model_whose_positions_are_declined_stays_as_it_was() -> None:
    model = synthetic(frames=12)
    before = centres_by_name(model)
    places = dict(zip(before, places_of(RANDOM.normal(0, 100, (12, 3))), strict=True))
    with pytest.raises(NotGeoreferencedError) as declined:
        georeference(model, places)
    assert all((centre == before[name]).all() for name, centre in centres_by_name(model).items())
    warning = warn_of_gps(declined.value)
    assert warning.reason == "NotGeoreferenced"
    assert declined.value.remedy in warning.message


@pytest.mark.parametrize(
    ("latitude", "longitude", "crs"),
    [
        (46.8, -92.0, "EPSG:32615"),
        (-33.9, 151.2, "EPSG:32756"),
        (0.0, 179.99, "EPSG:32660"),
        (85.0, 10.0, "EPSG:5041"),
        (-85.0, 10.0, "EPSG:5042"),
    ],
)
def test_the_map_is_the_utm_zone_or_near_the_poles_ups(latitude: float, longitude: float, crs: str) -> None:
    assert projected_crs(Origin(latitude=latitude, longitude=longitude)).to_string() == crs


def test_the_origin_lies_amid_the_positions_wherever_longitudes_wrap() -> None:
    origin = mean_origin(np.array([[-17.0, 179.9999, 5.0], [-17.0, -179.9999, 5.0], [-17.0, -179.9998, 5.0]]))
    assert (origin.latitude, origin.longitude) == (-17.0, -179.9999)


def test_a_projected_point_has_the_maps_scale_and_its_altitude() -> None:
    points = np.array([[0.0, 0.0, 150.0], [100.0, 0.0, 150.0]])
    on_map = project(points, DULUTH, projected_crs(DULUTH))
    assert on_map[:, 2] == pytest.approx([150, 150.0008], abs=1e-4), "the earth curves by 0.8 mm on 100 m"
    # 77 km east of the zone's central meridian the scale is 0.9996 * (1 + (77/6380)**2 / 2), less 150 m of altitude.
    assert np.linalg.norm(on_map[1, :2] - on_map[0, :2]) / 100 == pytest.approx(0.99965, abs=2e-5)
