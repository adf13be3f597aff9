"""Which cluster `up` brings up here, and which one it brought up: the later commands ask the same one."""

import os
import shutil
import sys
from pathlib import Path
from typing import Protocol

from pointcloud_api.stages import POD_UID_VARIABLE
from tools.cluster import build, kind
from tools.cluster.console import say
from tools.cluster.controlplane import ControlPlane, remembered_endpoints
from tools.cluster.errors import ClusterError
from tools.cluster.host import command
from tools.cluster.node import Node
from tools.cluster.processes import Daemon, kill_and_wait, named, pids_with

CHOICE_VARIABLE = "POINTCLOUD_CLUSTER"
_CHOICES = ("kubeconfig", "kind", "modules")
_CONTROL_PLANE = "control-plane"  # asked for by a flag, never chosen


class Cluster(Protocol):
    """What every kind of cluster can do.

    Attributes:
        kubeconfig: For the cluster's administrator.
        host_ip: The hostIP that goes with a hostPort which only this machine shall reach; empty for all addresses.
    """

    kubeconfig: Path
    host_ip: str

    def up(self) -> None:
        """Bring up what is not up."""

    def down(self) -> None:
        """Remove it."""

    def load(self, archive: Path, references: list[str]) -> None:
        """Put an image archive on its nodes under these names."""

    def status(self) -> list[str]:
        """What there is to say of it, a line each."""

    def kill(self, component: str) -> None:
        """SIGKILL the program of that name, such as kubelet, containerd, kube-apiserver or etcd; `up` mends it."""

    def kill_pod(self, uid: str) -> None:
        """SIGKILL the processes of a stage's pod, as no signal handler of theirs can tell."""


class ModulesNode(Node):
    """The node built from Kubernetes' Go modules."""

    host_ip = "127.0.0.1"

    def kill(self, component: str) -> None:
        """SIGKILL one of the daemons."""
        named(component, self.daemons()).kill()

    def kill_pod(self, uid: str) -> None:
        """SIGKILL what carries the pod's uid in its environment: containers of this node are processes of this host."""
        kill_and_wait(pids_with(POD_UID_VARIABLE, uid))

    def status(self) -> list[str]:
        """Each component with its process."""
        return describe(self.daemons())


class DetachedControlPlane:
    """A control plane alone that outlives the command that starts it."""

    host_ip = ""

    def __init__(self, directory: Path) -> None:
        endpoints = remembered_endpoints(directory / "endpoints.json")
        self._control_plane = ControlPlane(directory, endpoints=endpoints, with_parent=False)
        self.kubeconfig = self._control_plane.kubeconfig

    def up(self) -> None:
        """Start its components."""
        self._control_plane.ensure()

    def down(self) -> None:
        """Kill its components and remove its data."""
        self._control_plane.stop()
        shutil.rmtree(self._control_plane.directory)

    def kill(self, component: str) -> None:
        """SIGKILL one of its components."""
        self._control_plane.kill(component)

    def kill_pod(self, uid: str) -> None:
        """Refuse: there is no node."""
        raise ClusterError(f"cannot kill the pod {uid}: a control plane alone runs no containers")

    def load(self, archive: Path, references: list[str]) -> None:
        """Refuse: there is no node."""
        raise ClusterError(f"cannot load {references[0]} from {archive}: a control plane alone runs no containers")

    def status(self) -> list[str]:
        """Each component with its process."""
        return describe(self._control_plane.daemons())


class GivenCluster:
    """The cluster that KUBECONFIG names: used, never changed."""

    host_ip = ""

    def __init__(self) -> None:
        files = os.environ.get("KUBECONFIG", "").split(os.pathsep)
        if not files[0]:
            raise ClusterError(f"{CHOICE_VARIABLE}=kubeconfig needs KUBECONFIG to name the cluster's kubeconfig file")
        self.kubeconfig = Path(files[0]).absolute()

    def up(self) -> None:
        """See that it answers."""
        self.status()

    def down(self) -> None:
        """Leave it alone."""
        say(f"the cluster of {self.kubeconfig} is not ours to stop")

    def load(self, archive: Path, references: list[str]) -> None:
        """Refuse: its nodes are not ours to reach."""
        raise ClusterError(
            f"cannot load {archive} on the nodes of {self.kubeconfig}: push {', '.join(references)} to a registry"
            " from which that cluster can pull"
        )

    def kill(self, component: str) -> None:
        """Refuse: it is not ours to harm."""
        raise ClusterError(f"will not kill {component} of {self.kubeconfig}: that cluster is not ours")

    def kill_pod(self, uid: str) -> None:
        """Refuse: its nodes are not ours to reach."""
        raise ClusterError(f"cannot reach the processes of the pod {uid} on the nodes of {self.kubeconfig}")

    def status(self) -> list[str]:
        """Its nodes."""
        kubectl = shutil.which("kubectl") or str(build.programs() / "kubectl")
        return command([kubectl, "--kubeconfig", str(self.kubeconfig), "get", "nodes"]).splitlines()


def describe(daemons: list[Daemon]) -> list[str]:
    """One line for each program: whether it runs, and where its log is."""
    pids = {daemon.name: daemon.pid() for daemon in daemons}
    return [
        f"{daemon.name:26} {f'running, pid {pids[daemon.name]}' if pids[daemon.name] else 'dead':22} {daemon.log}"
        for daemon in daemons
    ]


def to_bring_up(state: Path, *, control_plane_only: bool) -> Cluster:
    """Choose the cluster for this machine and remember the choice.

    Raises:
        ClusterError: Another kind of cluster is up, or none is possible here.
    """
    wanted = _CONTROL_PLANE if control_plane_only else _wanted()
    current = _current(state)
    unfit = current != wanted if wanted else current == _CONTROL_PLANE
    if current and unfit:
        raise ClusterError(f"a cluster of another kind ({current}) is up: take it down first, with `make cluster-down`")
    name = current or wanted or _choose()
    cluster = _make(name, state)
    state.mkdir(parents=True, exist_ok=True)
    (state / "backend").write_text(name)
    return cluster


def brought_up(state: Path) -> Cluster:
    """Give the cluster that `up` brought up.

    Raises:
        ClusterError: There is none.
    """
    if (current := _current(state)) is None:
        raise ClusterError("no cluster is up: bring one up with `make cluster-up`")
    return _make(current, state)


def take_down(state: Path) -> None:
    """Remove the cluster that `up` brought up, if there is one, and forget it."""
    if _current(state) is None:
        say("no cluster is up")
        return
    brought_up(state).down()
    shutil.rmtree(state)


def _current(state: Path) -> str | None:
    try:
        return (state / "backend").read_text()
    except FileNotFoundError:
        return None


def _wanted() -> str | None:
    wanted = os.environ.get(CHOICE_VARIABLE) or None
    if wanted is not None and wanted not in _CHOICES:
        raise ClusterError(f"{CHOICE_VARIABLE}={wanted} is none of {', '.join(_CHOICES)}")
    if wanted == "kind" and (obstacle := kind.available()):
        raise ClusterError(f"{CHOICE_VARIABLE}=kind, but {obstacle}")
    if wanted == "modules" and os.geteuid() != 0:
        raise ClusterError(f"{CHOICE_VARIABLE}=modules runs containers on this machine, which needs root")
    return wanted


def _choose() -> str:
    obstacle = kind.available()
    if obstacle is None:
        return "kind"
    if os.geteuid() == 0 and sys.platform == "linux":
        return "modules"
    raise ClusterError(
        f"a cluster needs either kind with Docker ({obstacle}) or root on Linux (you are not):"
        " install kind and Docker, run this as root,"
        f" or set {CHOICE_VARIABLE}=kubeconfig to use the cluster that KUBECONFIG names"
    )


def _make(name: str, state: Path) -> Cluster:
    match name:
        case "kubeconfig":
            return GivenCluster()
        case "kind":
            return kind.Kind(state / name)
        case "modules":
            return ModulesNode(state / name)
        case _:
            return DetachedControlPlane(state / name)
