"""What the page shows of a reconstruction, and what can be taken away from it."""

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.integration.web.conftest import Site

REPORT = {
    "figures": {"imagesRegistered": 2, "imagesUsable": 3, "meanReprojectionError": 0.374, "density": "dense"},
    "sparsePoints": 980,
    "dense": {"engine": "patch match", "views": 2, "withoutMaps": [{"name": "b.jpg", "why": "it stands alone"}]},
    "unregistered": [{"name": "c.jpg", "cause": "blurred", "remedy": "Take it again with a steadier camera."}],
    "units": "metres",
    "georeference": {
        "origin": {"latitude": 46.84266, "longitude": -91.994003, "altitude": 0},
        "crs": "EPSG:32615",
        "crsName": "WGS 84 / UTM zone 15N",
        "positions": 2,
        "positionsUsed": 2,
        "residuals": {"median": 0.35, "rms": 0.44, "max": 0.98, "rmsHorizontal": 0.4, "rmsVertical": 0.18},
        "scaleError": 0.00205,
    },
    "removed": {"uncertain": 7, "lonely": 29},
    "images": [
        {
            "name": "a.jpg",
            "registered": True,
            "points": 900,
            "reprojectionError": 0.3,
            "coverage": 0.6,
            "gpsError": 0.2,
        },
        {
            "name": "b.jpg",
            "registered": True,
            "points": 80,
            "reprojectionError": 0.5,
            "coverage": 0.1,
            "gpsError": None,
        },
        {"name": "c.jpg", "registered": False, "points": None},
    ],
}


def test_the_report_says_how_good_the_cloud_is_and_where_and_its_files_can_be_had(
    site: Site, visitor: Page, tmp_path: Path
) -> None:
    site.namespace.submit("beach")
    listed = [{"path": path, "size": 5, "sha256": "0" * 64} for path in ("points.laz", "sparse/cameras.txt")]
    files = {
        "report.json": json.dumps(REPORT).encode(),
        "outputs.json": json.dumps({"files": listed}).encode(),
        "points.laz": b"LASF!",
    }
    site.reconstruct("beach", files)
    visitor.goto(f"{site.gateway.public}/#/jobs/beach")
    visitor.get_by_text("Report", exact=True).click()
    place = visitor.get_by_role("table", name="Place on the earth")
    expect(place.get_by_role("row", name="Residuals")).to_have_text(
        "Residualsmedian 0.35 m, RMS 0.44 m, at most 0.98 m"
    )
    expect(place.get_by_role("row", name="Map of")).to_contain_text("WGS 84 / UTM zone 15N (EPSG:32615)")
    photos = visitor.get_by_role("table", name="Photos, those with the fewest points first")
    assert photos.get_by_role("row").all_inner_texts()[1:] == [
        "b.jpg\t80\t0.50 px\t10 %\t",
        "a.jpg\t900\t0.30 px\t60 %\t0.20 m",
    ]
    left_out = visitor.get_by_role("listitem").filter(has_text="c.jpg")
    expect(left_out).to_contain_text("Take it again with a steadier camera.")
    figures = visitor.get_by_role("table", name="Figures")
    for name, text in {
        "Units": "metres",
        "Density": "dense",
        "Photos with depth": "1",
        "Points of the model": "980",
    }.items():
        expect(figures.get_by_role("row", name=name)).to_have_text(f"{name}{text}")
    expect(visitor.get_by_role("listitem").filter(has_text="it stands alone")).to_contain_text("b.jpg")

    visitor.get_by_text("Downloads", exact=True).click()
    with visitor.expect_download() as download:
        visitor.get_by_role("listitem").filter(has_text="points.laz").get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "beach-points.laz"
    download.value.save_as(tmp_path / "points.laz")
    assert (tmp_path / "points.laz").read_bytes() == b"LASF!"
    visitor.get_by_role("listitem").filter(has_text="cameras.txt").get_by_role("button", name="Download").click()
    expect(visitor.get_by_role("alert")).to_contain_text("nothing to download yet, or no more")
