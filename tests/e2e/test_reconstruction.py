"""Photos to a point cloud on a real node: accuracy against known cameras, and the figures of real photos."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from pointcloud_api.names import StageName
from pointcloud_api.stages import POINTS_FILE
from pointcloud_potree.inputs import open_points
from pointcloud_potree.reader import Octree
from pointcloud_potree.verifier import fingerprint, verify_octree
from tests.e2e.browser import coloured_share, open_viewer
from tests.e2e.conftest import condition, succeeded, until
from tests.e2e.store import artefacts
from tools.kubectl import Kubectl
from tools.scene.accuracy import compare, read_images_txt
from tools.scene.camera import Truth

Submit = Callable[..., str]


def test_rendered_scene_is_reconstructed_where_its_cameras_are(
    namespace: Kubectl, submit: Submit, scene: Path, page: Page, tmp_path: Path
) -> None:
    name = submit("ruin", scene / "photos", reconstruction={"quality": "low"})
    states = until(namespace, name, succeeded)
    status = states[-1]["status"]

    told = [(s["status"]["stage"], s["status"]["progress"]["percent"]) for s in states if s.get("status")]
    percents = [percent for _, percent in told]
    assert percents == sorted(percents), "progress went back"
    assert len({percent for stage, percent in told if stage == "reconstruct"}) > 2, f"it did not move: {told}"
    assert condition(states[-1], "Complete")["status"] == "True"

    truth = Truth.read(scene / "truth" / "cameras.json")
    with artefacts(namespace, states[-1]) as store:
        (tmp_path / "images.txt").write_bytes(store.artefact(StageName.RECONSTRUCT, "sparse/images.txt"))
        figures = store.result(StageName.CONVERT)["figures"]
    accuracy = compare(read_images_txt(tmp_path / "images.txt"), truth)
    assert accuracy.registered == accuracy.expected == status["images"]["registered"]
    assert accuracy.centre_error_max < 0.01
    assert status["density"] == "dense"
    assert figures["points"] == status["points"] > 100_000

    viewer = open_viewer(page, status["url"], tmp_path / "ruin.png")
    assert viewer["error"] is None
    assert viewer["points"] > 10_000
    assert coloured_share(tmp_path / "ruin.png") > 0.02


def test_brighton_beach(namespace: Kubectl, submit: Submit, brighton_beach: Path, page: Page, tmp_path: Path) -> None:
    name = submit("brighton-beach", brighton_beach, reconstruction={"density": "sparse"})
    final = until(namespace, name, succeeded)[-1]
    assert final["status"]["images"]["display"] == "18/18"
    assert final["status"]["points"] > 6000
    with artefacts(namespace, final) as store:
        result = store.result(StageName.RECONSTRUCT)
        (tmp_path / POINTS_FILE).write_bytes(store.artefact(StageName.RECONSTRUCT, POINTS_FILE))
        for file in ("metadata.json", "hierarchy.bin", "octree.bin"):
            (tmp_path / file).write_bytes(store.artefact(StageName.CONVERT, file))
    assert result["figures"]["meanReprojectionError"] <= 0.4
    points = open_points(tmp_path / POINTS_FILE)
    assert points.count == final["status"]["points"]
    verify_octree(tmp_path, fingerprint(Octree(tmp_path), points))  # every point, once
    open_viewer(page, final["status"]["url"], tmp_path / "brighton-beach.png")
    assert coloured_share(tmp_path / "brighton-beach.png") > 0.02
