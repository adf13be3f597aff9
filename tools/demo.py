"""`make demo`: from photos to an address, through everything that a user goes through."""

import argparse
import re
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from tools import install, photos
from tools.cluster.errors import ClusterError
from tools.cluster.paths import cache_directory
from tools.images import ImageError
from tools.kubectl import Kubectl, KubectlError, named
from tools.scene.photos import write

NAMESPACE = "pointcloud-demo"
WIDTHS = (14, 9, 11, 8, 7, 7, 60, 5)
"""Of the columns NAME, PHASE, STAGE, PROGRESS, IMAGES, POINTS, URL and AGE."""


def job_name(folder: Path) -> str:
    """A name for the PointcloudJob after its folder: a DNS label of at most 37 characters."""
    return re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower())[:37].strip("-") or "photos"


def job(name: str, claim_name: str) -> dict[str, Any]:
    """The PointcloudJob that the demo applies."""
    return {
        "apiVersion": "stitchsketch.io/v1alpha1",
        "kind": "PointcloudJob",
        "metadata": {"name": name},
        "spec": {"source": {"persistentVolumeClaim": {"claimName": claim_name}}},
    }


def follow(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """Print the job's line of `kubectl get` whenever it changes, until the job ends. Returns the job."""
    print(f"\n$ kubectl --namespace {kubectl.namespace} get pcj {name} --watch")
    shown: list[str] = []
    for state in kubectl.watch("pcj", named(name)):
        columns, cells = row(kubectl("get", "pcj", name))
        if not shown:
            print(aligned(columns), flush=True)
        if cells[:-1] != shown:  # the last is the age
            shown = cells[:-1]
            print(aligned(cells), flush=True)
        if state.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
            return state
    raise KubectlError("the watch ended")


def row(table: str) -> tuple[list[str], list[str]]:
    """The columns and the cells of a table with one row, as kubectl prints it; cells may be empty."""
    header, line = table.splitlines()[:2]
    starts = [match.start() for match in re.finditer(r"\S+", header)]
    ends = [*starts[1:], None]
    return header.split(), [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def aligned(cells: list[str]) -> str:
    """A line whose columns stand below those of the other lines, as kubectl cannot know beforehand."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def run(kubectl: Kubectl, name: str, folder: Path) -> str:
    """Copy the photos, apply the job, follow it. Returns the address; exits with the reason if the job fails."""
    kubectl("delete", "pcj", name, "--ignore-not-found")
    kubectl("delete", "pvc", name, "--ignore-not-found")
    count = sum(path.is_file() for path in folder.rglob("*"))
    print(f"Copying {count} files from {folder} into the PersistentVolumeClaim {name}", flush=True)
    photos.load(kubectl, folder, claim_name=name, image=install.image_of("ingest"))
    kubectl.apply(job(name, name))
    finished = follow(kubectl, name)
    for warning in finished["status"].get("warnings", []):
        print(f"note: {warning}")
    if finished["status"]["phase"] == "Failed":
        failed = next(c for c in finished["status"]["conditions"] if c["type"] == "Failed")
        sys.exit(f"\n{failed['reason']}: {failed['message']}")
    return str(finished["status"]["url"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="your own photos; without it, a rendered scene")
    folder = parser.parse_args().photos
    if folder is not None and not folder.is_dir():
        sys.exit(f"{folder} is not a folder: PHOTOS names one that holds photos")
    begun = time.monotonic()
    print(
        "From photos to a point cloud in the browser. The first run builds Kubernetes, the images and the", flush=True
    )
    print("tools, about 12 minutes on 2 cores; later ones take three to five minutes.\n", flush=True)
    try:
        url = demonstrate(folder)
    except (ClusterError, ImageError, KubectlError) as error:
        sys.exit(f"the demo stopped: {error}")
    print(f"\nDone after {time.monotonic() - begun:.0f} s. Open this in a browser on this machine:\n\n    {url}\n")
    print(f"Web page:     {url.partition('/potree/')[0]}/  (sign in with what `make -s gateway-token` prints)")
    print("Look around:  export KUBECONFIG=$(make -s kubeconfig); kubectl get pcj -A")
    print("Your photos:  make demo PHOTOS=path/to/folder")
    print("Clean up:     make cluster-down")


def demonstrate(folder: Path | None) -> str:
    """Set everything up and run one job, from the folder or from rendered photos. Returns its address."""
    cluster = install.install()
    name = "ruin" if folder is None else job_name(folder)
    if folder is None:
        print("\nRendering sample photos", flush=True)
        rendered = cache_directory().parent / "scene"
        write(rendered, progress=lambda done, total: print(f"rendered {done} of {total}", flush=True))
        folder = rendered / "photos"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    url = run(cluster.within(NAMESPACE), name, folder)
    with urllib.request.urlopen(url, timeout=30) as page:  # noqa: S310 - our own http address
        page.read()
    return url


if __name__ == "__main__":
    main()
