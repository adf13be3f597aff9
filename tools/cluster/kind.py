"""The cluster as kind makes it (https://kind.sigs.k8s.io), where a Docker daemon answers and can pull its image."""

import json
import shutil
import subprocess
from pathlib import Path

from pointcloud_api.stages import POD_UID_VARIABLE
from tools.cluster import build, gpu
from tools.cluster.console import say
from tools.cluster.errors import ClusterError
from tools.cluster.host import command

NAME = "pointcloud-local"
_NODE = f"{NAME}-control-plane"
_IMAGE = "kindest/node:v1.35.0"
_PULL_SECONDS = 600
GATEWAY_PORT = 30080
"""Of this machine's loopback, and of the node, where the gateway's pod takes it as its hostPort."""
_CONFIGURATION = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "nodes": [
        {
            "role": "control-plane",
            "extraPortMappings": [
                {"containerPort": GATEWAY_PORT, "hostPort": GATEWAY_PORT, "listenAddress": "127.0.0.1"}
            ],
        }
    ],
}


def available() -> str | None:
    """Why kind cannot be used here, or None if it can; pulls its image to know."""
    if not shutil.which("docker"):
        return "docker is not installed"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return "no Docker daemon answers"
    if subprocess.run(["docker", "image", "inspect", _IMAGE], capture_output=True, check=False).returncode == 0:
        return None
    say(f"pulling {_IMAGE}")
    try:
        pulled = subprocess.run(["docker", "pull", "--quiet", _IMAGE], check=False, timeout=_PULL_SECONDS)
    except subprocess.TimeoutExpired:
        return f"Docker did not pull {_IMAGE} within {_PULL_SECONDS} s"
    return None if pulled.returncode == 0 else f"Docker cannot pull {_IMAGE}"


class Kind:
    """One kind cluster of one node.

    Attributes:
        directory: Holds the kubeconfig.
        kubeconfig: For the cluster's administrator.
        host_ip: Empty: Docker forwards this machine's loopback to an address of the node that it chooses.
    """

    host_ip = ""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kubeconfig = directory / "kubeconfig"

    def up(self) -> None:
        """Create the cluster unless it is there, and give its node the fake GPU."""
        if NAME not in command([_kind(), "get", "clusters"]).split():
            say("creating the kind cluster")
            create = [_kind(), "create", "cluster", "--name", NAME, "--image", _IMAGE, "--wait", "180s"]
            # JSON is YAML, which is what kind reads.
            command([*create, "--config", "-", *self._config()], stdin=json.dumps(_CONFIGURATION))
        elif "true" not in command(["docker", "inspect", "--format", "{{.State.Running}}", _NODE]):
            command(["docker", "start", _NODE])
            command([_kind(), "export", "kubeconfig", "--name", NAME, *self._config()])
        kubectl = ["docker", "exec", _NODE, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"]
        command([*kubectl, "wait", "--for=condition=Ready", f"node/{_NODE}", "--timeout=180s"])
        gpu.fake(kubectl, node=_NODE)

    def down(self) -> None:
        """Delete the cluster."""
        command([_kind(), "delete", "cluster", "--name", NAME, *self._config()])
        shutil.rmtree(self.directory, ignore_errors=True)

    def load(self, archive: Path, references: list[str]) -> None:
        """Put an image on the node under these names, whatever name it carries: `kind load` would keep that one."""
        first, *others = references
        ctr = ["docker", "exec", "--interactive", _NODE, "ctr", "--namespace", "k8s.io", "images"]
        with archive.open("rb") as content:
            imported = subprocess.run([*ctr, "import", "--index-name", first, "-"], stdin=content, check=False)
        if imported.returncode != 0:
            raise ClusterError(f"containerd on {_NODE} could not import {archive}; see above")
        for other in others:
            command([*ctr, "tag", "--force", first, other])

    def status(self) -> list[str]:
        """What there is to say of it, a line each."""
        return command(["docker", "ps", "--all", "--filter", f"name={_NODE}"]).splitlines()

    def kill(self, component: str) -> None:
        """SIGKILL one of the node's programs; systemd and the kubelet start them again."""
        command(["docker", "exec", _NODE, "pkill", "-KILL", "-x", component])

    def kill_pod(self, uid: str) -> None:
        """SIGKILL what carries the pod's uid in its environment: containers of the node are processes of its own."""
        has_uid = f"grep -qzx {POD_UID_VARIABLE}={uid} $process/environ 2>/dev/null"
        script = f"for process in /proc/[0-9]*; do if {has_uid}; then kill -KILL ${{process#/proc/}}; fi; done"
        command(["docker", "exec", _NODE, "sh", "-c", script])

    def _config(self) -> list[str]:
        return ["--kubeconfig", str(self.kubeconfig)]


def _kind() -> str:
    return str(build.programs() / "kind")
