"""`make install`: brings the local cluster, the images and the chart to what this checkout says. Idempotent."""

import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tools import images
from tools.cluster.backends import brought_up
from tools.cluster.build import programs
from tools.cluster.console import say
from tools.cluster.errors import ClusterError
from tools.cluster.kind import GATEWAY_PORT
from tools.cluster.paths import state_directory
from tools.kubectl import Kubectl, KubectlError

NAMESPACE: Final = "pointcloud-system"
RELEASE: Final = "pointcloud-operator"
STORE_SERVICE: Final = f"{RELEASE}-store"
CHART: Final = Path("charts/pointcloud-operator")


@functools.cache
def built_images() -> dict[str, images.BuiltImage]:
    """The images of this checkout by name, built where their inputs changed."""
    return {image.name: image for image in images.build()}


def image_of(name: str) -> str:
    """The reference of an image of this checkout."""
    return built_images()[name].reference


@functools.cache
def install() -> Kubectl:
    """Bring everything up to date and return kubectl for the cluster. Raises ClusterError with what to do next."""
    with _beside("tools.images", "build"):
        _cluster("up")
    cluster = brought_up(state_directory())
    kubectl = Kubectl(program=programs() / "kubectl", kubeconfig=cluster.kubeconfig)
    _load(kubectl)
    _release(kubectl, values(host_ip=cluster.host_ip))
    return kubectl


def values(*, host_ip: str) -> dict[str, Any]:
    """What differs on the local cluster from the chart's defaults."""
    references = {name: image.reference for name, image in built_images().items()}
    return {
        # There is no real GPU: the image for CPUs runs on the node that claims to have one.
        "image": {"refs": {**references, "colmap-cuda12": references["colmap"]}},
        # Receivers of webhooks in tests are inside the cluster. Elsewhere this stays off: see the chart's values.
        "gateway": {"hostPort": GATEWAY_PORT, "hostIP": host_ip, "webhooksAllowPrivate": True},
        "store": {"size": "20Gi"},
        # A node of 2 cores must take the system's pods and a stage at a time.
        "stages": {"reconstruct": {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "8Gi"}}}},
        # Test servers are inside the cluster. Elsewhere this stays off: see the chart's values.
        "ingestLimits": {"allowPrivateAddresses": True},
    }


@contextmanager
def _beside(*module: str) -> Iterator[None]:
    """Run a module of ours beside what is done here, and wait for it: on two cores neither alone keeps both busy."""
    with subprocess.Popen([sys.executable, "-m", *module], stdout=subprocess.DEVNULL) as process:
        try:
            yield
        except BaseException:
            process.terminate()
            raise
        if process.wait() != 0:
            raise ClusterError(f"`{' '.join(module)}` failed, see above")


def _cluster(*words: str) -> str:
    command = [sys.executable, "-m", "tools.cluster", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"the local cluster is not to be had: `tools.cluster {words[0]}` failed, see above")
    return done.stdout.strip()


def _load(kubectl: Kubectl) -> None:
    present = {
        name for node in kubectl.items("nodes") for image in node["status"].get("images", ()) for name in image["names"]
    }
    for image in built_images().values():
        if image.reference not in present:
            say(f"loading {image.reference} onto the node (5 to 20 s)")
            _cluster("load", str(image.archive), image.reference)


def _release(kubectl: Kubectl, values: dict[str, Any]) -> None:
    say(f"installing the chart as {RELEASE} in {NAMESPACE}")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        command = [
            *(str(programs() / "helm"), "upgrade", "--install", RELEASE, str(CHART), "--values", file.name),
            *("--kubeconfig", str(kubectl.kubeconfig), "--namespace", NAMESPACE, "--create-namespace"),
            *("--wait", "--timeout", "180s"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pods = kubectl.within(NAMESPACE)("get", "pods")
        raise ClusterError(f"helm could not install the chart: {done.stderr.strip()}\n{pods}")


def main() -> int:
    """The command line."""
    try:
        kubectl = install()
    except (ClusterError, KubectlError, images.ImageError) as error:
        say(f"error: {error}")
        return 1
    say(f"installed; try: kubectl --kubeconfig {kubectl.kubeconfig} get pcj --all-namespaces")
    say("the web page and the REST service: make -s gateway-url, and to sign in: make -s gateway-token")
    return 0


if __name__ == "__main__":
    sys.exit(main())
