"""The cluster's programs, built from their Go modules."""

import re
from pathlib import Path
from typing import Final

from tools.golang import GoModule

SOURCES: Final = Path(__file__).parent / "go"
KUBERNETES_VERSION = re.search(r"k8s\.io/kubernetes (v\S+)", (SOURCES / "go.mod").read_text())[1]  # type: ignore[index]
PROGRAMS: Final = (
    "coredns",
    "etcd",
    "helm",
    "kind",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "local-volume-provisioner",
)
"""The names by which the one binary `kube` is called."""


def module(sources: Path = SOURCES) -> GoModule:
    """The module in a folder that holds these sources."""
    return GoModule(
        sources=sources,
        announcement=f"building Kubernetes {KUBERNETES_VERSION}, etcd, CoreDNS and helm from their Go modules, once: "
        "some 6 minutes on 2 cores",
        # Without a version the components report themselves as v0.0.0-master and refuse some of each other's.
        linker_flags=f"-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}",
        links=tuple((program, "kube") for program in PROGRAMS),
    )


def directory() -> Path:
    """The folder that has, or will have, the programs of this state of the sources."""
    return module().directory()


def programs() -> Path:
    """Give the folder with the programs, building them first where need be. Raises ClusterError."""
    return module().programs()
