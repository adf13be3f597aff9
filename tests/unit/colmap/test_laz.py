"""The LAZ file as other programs read it."""

from pathlib import Path

import laspy
import numpy as np
import pycolmap
import pytest
from pyproj import Transformer

from pointcloud_colmap.georeference import Georeference, Residuals
from pointcloud_colmap.laz import write_laz
from pointcloud_colmap.projection import Origin

ZURICH = Georeference(
    origin=Origin(latitude=47.376887, longitude=8.541694),
    crs="EPSG:32632",
    crs_name="WGS 84 / UTM zone 32N",
    positions=3,
    positions_used=3,
    residuals=Residuals(median=0, rms=0, max=0, rms_horizontal=0, rms_vertical=0),
    scale_error=0,
    tilt_error=0,
)
RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, (500, 3)).astype(np.uint8)


def test_a_georeferenced_cloud_is_on_the_map_to_the_millimetre(tmp_path: Path) -> None:
    positions = RANDOM.uniform([-300, -300, 400], [300, 300, 480], (500, 3))
    write_laz(positions, COLOURS, tmp_path / "points.laz", georeference=ZURICH)
    cloud = laspy.read(tmp_path / "points.laz")
    crs = cloud.header.parse_crs()
    assert crs is not None
    assert (crs.to_epsg(), crs.is_projected) == (32632, True)
    assert cloud.header.global_encoding.wkt
    back = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    longitude, latitude = back.transform(cloud.x, cloud.y)
    places = np.column_stack([latitude, longitude, cloud.z])
    local = pycolmap.GPSTransform().ellipsoid_to_enu(places, ZURICH.origin.latitude, ZURICH.origin.longitude, 0)
    assert local == pytest.approx(positions, abs=0.001)
    assert np.array_equal(np.column_stack([cloud.red, cloud.green, cloud.blue]) // 257, COLOURS)
    assert max(cloud.red.max(), cloud.green.max(), cloud.blue.max()) > 65_000


@pytest.mark.parametrize("extent", [1e-4, 3.0, 1e7])
def test_without_a_place_coordinates_are_the_models_and_no_crs_is_claimed(tmp_path: Path, extent: float) -> None:
    positions = extent * RANDOM.uniform(-1, 1, (500, 3))
    write_laz(positions, COLOURS, tmp_path / "points.laz", georeference=None)
    cloud = laspy.read(tmp_path / "points.laz")
    assert cloud.header.parse_crs() is None
    assert cloud.xyz == pytest.approx(positions, abs=1e-6 * 2 * extent)


def test_points_that_are_written_in_parts_come_out_in_their_order(tmp_path: Path) -> None:
    positions = RANDOM.uniform([-300, -300, 400], [300, 300, 480], ((1 << 18) + 5, 3))
    colours = np.resize(COLOURS, positions.shape)
    for name, georeference in (("local", None), ("map", ZURICH)):
        write_laz(positions, colours, tmp_path / name, georeference=georeference)
    local, placed = (laspy.read(tmp_path / name) for name in ("local", "map"))
    np.testing.assert_allclose(local.xyz, positions, rtol=0, atol=0.001)
    assert (local.red // 257 == colours[:, 0]).all()
    # The earth is round.
    np.testing.assert_allclose(placed.z, positions[:, 2], rtol=0, atol=0.05)


def test_one_point_is_a_cloud(tmp_path: Path) -> None:
    write_laz(np.array([[1.0, 2.0, 3.0]]), COLOURS[:1], tmp_path / "points.laz", georeference=None)
    assert laspy.read(tmp_path / "points.laz").xyz.tolist() == [[1.0, 2.0, 3.0]]
