"""What goes wrong with photos is said with a reason and a remedy, never with an exit code."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import condition, failed, job, says, succeeded, until
from tools import install
from tools.kubectl import Kubectl
from tools.scene import degenerate

Submit = Callable[..., str]
QUICK = {"quality": "low", "density": "sparse"}


def assert_said(kubectl: Kubectl, name: str, final: dict[str, Any], reason: str) -> None:
    """The reason is in the Failed condition, and `kubectl describe` shows it with a remedy and no exit code."""
    assert condition(final, "Failed")["reason"] == reason
    described = kubectl("describe", "pcj", name)
    assert condition(final, "Failed")["message"][:40] in " ".join(described.split())
    assert "exit code" not in described.lower()
    assert "Warning" in described, "no Event tells of the failure"
    assert final["status"]["phase"] == "Failed"


def copy(photo: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(photo, folder))


def test_not_a_photo_at_all(namespace: Kubectl, submit: Submit, tmp_path: Path) -> None:
    degenerate.not_a_photo(tmp_path / "text")
    name = submit("not-a-photo", tmp_path / "text")
    assert_said(namespace, name, until(namespace, name, failed)[-1], "UnreadableImages")


def test_an_empty_folder(namespace: Kubectl, submit: Submit, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    name = submit("empty", tmp_path / "nothing")
    assert_said(namespace, name, until(namespace, name, failed)[-1], "NoImages")


def test_one_photo(namespace: Kubectl, submit: Submit, tmp_path: Path, scene: Path) -> None:
    first = min((scene / "photos").iterdir())
    copy(first, tmp_path / "one")
    name = submit("one-photo", tmp_path / "one")
    assert_said(namespace, name, until(namespace, name, failed)[-1], "TooFewImages")


def test_photos_without_overlap(namespace: Kubectl, submit: Submit, tmp_path: Path) -> None:
    folder = tmp_path / "apart"
    degenerate.unrelated(folder)
    name = submit("no-overlap", folder, reconstruction=QUICK)
    assert_said(namespace, name, until(namespace, name, failed)[-1], "NoOverlap")


def test_a_truncated_photo_among_good_ones_is_named(
    namespace: Kubectl, submit: Submit, tmp_path: Path, scene: Path
) -> None:
    good = [copy(photo, tmp_path / "mostly-good") for photo in sorted((scene / "photos").iterdir())[:8]]
    degenerate.truncated(good[0], name="broken.jpg")
    name = submit("truncated", tmp_path / "mostly-good", reconstruction=QUICK)
    final = until(namespace, name, succeeded)[-1]
    assert any("broken.jpg" in warning for warning in final["status"]["warnings"])
    assert "broken.jpg" in namespace("describe", "pcj", name)


@pytest.fixture(scope="module")
def web_server(namespace: Kubectl) -> str:
    """An HTTP server in the cluster with an archive whose paths leave it."""
    script = (
        "import io, tarfile, http.server, os\n"
        "os.chdir('/tmp')\n"
        "with tarfile.open('escape.tar', 'w') as t:\n"
        "    i = tarfile.TarInfo('../escape.jpg'); i.size = 3; t.addfile(i, io.BytesIO(b'abc'))\n"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=8000)\n"
    )
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "web",
                    "image": install.image_of("ingest"),
                    "command": ["python3", "-c", script],
                    "securityContext": security,
                    "readinessProbe": {"httpGet": {"port": 8000, "path": "/"}, "periodSeconds": 1},
                }
            ],
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]},
    }
    namespace.apply(pod, service)
    namespace("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    return f"http://web.{namespace.namespace}.svc"


@pytest.mark.parametrize(
    ("name", "path", "reason"),
    [("answers-404", "nothing.zip", "DownloadFailed"), ("escapes", "escape.tar", "UnsafeArchive")],
)
def test_bad_sources_by_url(namespace: Kubectl, web_server: str, name: str, path: str, reason: str) -> None:
    namespace.apply(job(name, {"urls": [f"{web_server}/{path}"]}))
    assert_said(namespace, name, until(namespace, name, failed)[-1], reason)


def test_waiting_for_a_gpu_says_what_for(namespace: Kubectl, submit: Submit, scene: Path) -> None:
    name = submit("waits", scene / "photos", stages={"reconstruct": {"resources": {"limits": {"nvidia.com/gpu": 64}}}})
    waiting = until(namespace, name, says("Insufficient nvidia.com/gpu"))[-1]
    assert waiting["status"]["phase"] in {"Pending", "Running"}
    assert waiting["status"]["stage"] == "reconstruct"
    namespace("delete", "pcj", name)
