"""How long the operator takes from one stage's Job completing to the next Job existing, on the local cluster.

Both moments are those at which a watch of the Jobs tells of them. The bar is one second.
"""

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pointcloud_api.names import JOB_LABEL, STAGE_LABEL, StageName
from tools import install, photos
from tools.cluster.errors import ClusterError
from tools.demo import job
from tools.kubectl import Kubectl
from tools.scene.photos import write

NAMESPACE: Final = "pointcloud-bench"
ROUNDS: Final = 3
PHOTOS: Final = 20
WIDTH: Final = 480


def handovers(kubectl: Kubectl, name: str) -> list[float]:
    """The seconds of each handover of one PointcloudJob, which is awaited."""
    completed: dict[str, float] = {}
    created: dict[str, float] = {}
    for state in kubectl.watch("jobs", f"--selector={JOB_LABEL}={name}"):
        stage = state["metadata"]["labels"][STAGE_LABEL]
        created.setdefault(stage, time.monotonic())
        conditions = {c["type"] for c in state.get("status", {}).get("conditions", ()) if c["status"] == "True"}
        if "Failed" in conditions:
            raise ClusterError(f"the {stage} stage failed: kubectl --namespace {NAMESPACE} describe pcj {name}")
        if "Complete" in conditions:
            completed.setdefault(stage, time.monotonic())
        if len(completed) == len(StageName):
            break
    return [
        created[StageName.RECONSTRUCT] - completed[StageName.INGEST],
        created[StageName.CONVERT] - completed[StageName.RECONSTRUCT],
    ]


def main() -> None:
    """Run some small PointcloudJobs one after another and print the figures."""
    cluster = install.install()
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    kubectl = cluster.within(NAMESPACE)
    try:
        with TemporaryDirectory() as folder:
            write(Path(folder), photos=PHOTOS, width=WIDTH)
            photos.load(kubectl, Path(folder) / "photos", claim_name="scene", image=install.image_of("ingest"))
        seconds: list[float] = []
        for number in range(ROUNDS):
            kubectl.apply(job(f"handover-{number}", "scene"))
            seconds += handovers(kubectl, f"handover-{number}")
    finally:
        cluster("delete", "namespace", NAMESPACE)
    shown = f"median {statistics.median(seconds) * 1000:.0f} ms, longest {max(seconds) * 1000:.0f} ms"
    print(f"from a stage's Job completing to the next Job existing, {len(seconds)} times: {shown} (bar: 1000 ms)")


if __name__ == "__main__":
    main()
