"""The node's containerd: one of its own, which never meets another that the machine may have."""

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tools.cluster import network, pause
from tools.cluster.errors import ClusterError
from tools.cluster.host import cni_plugins, command, processes_with_argument
from tools.cluster.processes import Daemon, kill_and_wait

SOCKET = network.RUN_DIRECTORY / "containerd.sock"
IMAGE_NAMESPACE = "k8s.io"  # containerd's, in which its CRI plugin looks for images


def daemon(directory: Path) -> Daemon:
    """Describe containerd with its data below ``directory``."""
    cni = directory / "cni"
    configuration = directory / "containerd.toml"
    return Daemon(
        name="containerd",
        argv=["containerd", "--config", str(configuration)],
        directory=directory / "log",
        files={
            configuration: _configuration(directory, cni),
            cni / "10-pods.conflist": network.cni_configuration(),
        },
    )


def _configuration(directory: Path, cni: Path) -> str:
    return f"""\
version = 2
root = "{directory / "containerd"}"
state = "{network.RUN_DIRECTORY / "containerd"}"
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
  address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause.IMAGE}"
  # Without CAP_SYS_RESOURCE the pause container's score of -998 cannot be set, and runc dies on it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_plugins()}"
    conf_dir = "{cni}"
"""


def ctr(*arguments: str) -> str:
    """Ask this containerd something through its command-line client."""
    return command(["ctr", "--address", str(SOCKET), "--namespace", IMAGE_NAMESPACE, *arguments])


def load(archive: Path, references: Sequence[str]) -> None:
    """Put the image of an OCI or Docker archive on the node under these names, whatever name it carries itself."""
    first, *others = references
    # Naming the archive's index as the archive names its image would orphan the index: collected while it is unpacked.
    naming = [] if first in names_in(archive) else ["--index-name", first]
    ctr("images", "import", *naming, str(archive))
    for other in others:
        ctr("images", "tag", "--force", first, other)


def names_in(archive: Path) -> list[str]:
    """The names that a Docker archive, or an OCI archive of buildah's, gives to its image."""
    with tarfile.open(archive) as tar:
        members = tar.getnames()
        file = tar.extractfile("manifest.json" if "manifest.json" in members else "index.json")
        document = json.load(file) if file else {}
    if isinstance(document, list):
        return [name for image in document for name in image["RepoTags"] or ()]
    annotations = [image.get("annotations", {}) for image in document["manifests"]]
    return [found["org.opencontainers.image.ref.name"] for found in annotations if found]


def kill_shims() -> None:
    """Kill the processes that hold this containerd's containers and outlive it on purpose."""
    kill_and_wait(processes_with_argument(str(SOCKET)))


def answers() -> bool:
    """Whether it serves its socket."""
    try:
        ctr("version")
    except ClusterError:
        return False
    return True


def images() -> list[str]:
    """The names of the images on the node."""
    return ctr("images", "list", "--quiet").splitlines()
