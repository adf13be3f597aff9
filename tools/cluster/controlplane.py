"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler: a real control plane, without root, in seconds.

    with ControlPlane.start(tmp_path) as cluster:
        ... cluster.kubeconfig ...

It has no nodes: what would run stays Pending, and a test plays the kubelet by writing pods' statuses. Several live side
by side, each in its own folder and on its own ports.
"""

import json
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.cluster import build
from tools.cluster.api import ApiServer
from tools.cluster.pki import CertificateAuthority
from tools.cluster.processes import Daemon, named, wait_until

SERVICE_SUBNET = "10.214.0.0/20"
SERVICE_ADDRESS = "10.214.0.1"  # where pods find the API server: the subnet's first, always

# Below the range from which the kernel serves outgoing connections, lest one takes a component's port while it is down.
_PORTS = range(20000, 32000)


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where a control plane listens.

    Attributes:
        address: Of the API server; the others are on loopback.
        port: Of the API server.
        etcd: etcd's port for clients.
        etcd_peer: etcd's port for members it never has.
    """

    address: str
    port: int
    etcd: int
    etcd_peer: int


class ControlPlane:
    """A control plane in a folder, which may already be running there.

    Attributes:
        directory: Everything of it: data, keys, logs, kubeconfig.
        pki: Its certificate authority.
        kubeconfig: For the cluster's administrator; holds its keys, refers to no other file.
        api: The API server, as that administrator.
    """

    def __init__(
        self, directory: Path, *, endpoints: Endpoints, with_parent: bool, apiserver_flags: Sequence[str] = ()
    ) -> None:
        """Describe a control plane; `ensure` runs it.

        Args:
            directory: Where it lives.
            endpoints: Where it listens.
            with_parent: Whether it dies with this process.
            apiserver_flags: What kube-apiserver needs beyond serving a control plane alone.
        """
        self.directory = directory
        self.pki = CertificateAuthority(directory / "pki")
        self.kubeconfig = directory / "kubeconfig"
        self.api = ApiServer(
            address=endpoints.address,
            port=endpoints.port,
            authority=self.pki.certificate,
            certificate=self.pki.directory / "kubeconfig.crt",
            key=self.pki.directory / "kubeconfig.key",
        )
        self._endpoints = endpoints
        self._with_parent = with_parent
        self._apiserver_flags = tuple(apiserver_flags)

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Run a control plane that ends with this process, on free ports, and return once it can be used.

        Building its programs, where they are not cached, takes minutes.

        Raises:
            ClusterError: A component died or the API server never got ready; with the ends of the logs.
        """
        self = cls(directory, endpoints=free_endpoints(), with_parent=True)
        try:
            self.ensure()
        except BaseException:
            self.stop()
            raise
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The API server's port."""
        return self._endpoints.port

    def ensure(self) -> bool:
        """Run what does not run, or not as described, and wait until the cluster can be used.

        Returns:
            Whether the API server is another process than before, to which no client has its watches yet.
        """
        build.programs()
        self.pki.ensure()
        self._issue_apiserver_certificate()
        self.pki.kubeconfig(self.kubeconfig, server=self.api.url, user="kubernetes-admin", groups=["system:masters"])
        fresh = False
        for daemon in (self._etcd(), self._apiserver()):
            if not daemon.is_current():
                daemon.restart(with_parent=self._with_parent)
                fresh = True
        needed = [self._etcd(), self._apiserver()]
        wait_until(self.api.ready, what="the API server to be ready", seconds=120, watching=needed)
        for daemon in (self._controller_manager(), self._scheduler()):
            # After an outage of the API server a component that lived through it may take over a minute to watch again.
            if fresh or not daemon.is_current():
                daemon.restart(with_parent=self._with_parent)
        wait_until(
            lambda: self.api.get("/api/v1/namespaces/default/serviceaccounts/default") is not None,
            what="the default service account, without which no pod can be created",
            seconds=120,
            watching=self.daemons(),
        )
        return fresh

    def daemons(self) -> list[Daemon]:
        """The components, in the order they start."""
        return [self._etcd(), self._apiserver(), self._controller_manager(), self._scheduler()]

    def kill(self, name: str) -> None:
        """Kill one component with SIGKILL, as a crash would."""
        self._named(name).kill()

    def restart(self, name: str) -> None:
        """Start one component again, on its old port and data; its clients come back in their own time."""
        self._named(name).restart(with_parent=self._with_parent)
        if name in {"etcd", "kube-apiserver"}:
            watching = [self._etcd(), self._apiserver()]
            wait_until(self.api.ready, what="the API server to be ready", seconds=120, watching=watching)

    def stop(self) -> None:
        """Kill every component; the folder stays."""
        for daemon in reversed(self.daemons()):
            daemon.kill()

    def _named(self, name: str) -> Daemon:
        return named(name, self.daemons())

    def _issue_apiserver_certificate(self) -> tuple[Path, Path]:
        service = "kubernetes.default.svc.cluster.local"
        parts = service.split(".")
        names = [".".join(parts[:length]) for length in (1, 2, 3, 5)]
        hosts = [*names, "localhost", "127.0.0.1", SERVICE_ADDRESS, self._endpoints.address]
        return self.pki.issue("apiserver", common_name="kube-apiserver", hosts=hosts)

    def _daemon(self, name: str, *flags: str) -> Daemon:
        # By an absolute path, so that a process list shows whose component it is.
        return Daemon(name=name, argv=[str(build.directory() / name), *flags], directory=self.directory / "log")

    def _etcd(self) -> Daemon:
        clients, peers = (f"http://127.0.0.1:{port}" for port in (self._endpoints.etcd, self._endpoints.etcd_peer))
        return self._daemon(
            "etcd",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",  # faster, and a crash of the machine may cost no more than this cluster
            "--log-level=warn",
        )

    def _apiserver(self) -> Daemon:
        certificate, key = self._issue_apiserver_certificate()
        return self._daemon(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._endpoints.etcd}",
            f"--bind-address={self._endpoints.address}",
            f"--secure-port={self.port}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self.pki.certificate}",
            f"--service-cluster-ip-range={SERVICE_SUBNET}",
            # Also the default audience of service-account tokens: one made for another service is refused here.
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self.pki.service_account_public_key}",
            f"--service-account-signing-key-file={self.pki.service_account_key}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            *(self._apiserver_flags or ("--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none")),
        )

    def _controller_manager(self) -> Daemon:
        return self._daemon(
            "kube-controller-manager",
            f"--kubeconfig={self._component_kubeconfig('kube-controller-manager')}",
            f"--service-account-private-key-file={self.pki.service_account_key}",
            f"--root-ca-file={self.pki.certificate}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=500",  # it opens with hundreds of questions, and would take seconds to ask them
            "--kube-api-burst=1000",
            f"--flex-volume-plugin-dir={self.directory / 'flex-volumes'}",  # or it makes one in /usr
        )

    def _scheduler(self) -> Daemon:
        kubeconfig = self._component_kubeconfig("kube-scheduler")
        return self._daemon("kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")

    def _component_kubeconfig(self, name: str) -> Path:
        file = self.pki.directory / f"{name}.kubeconfig"
        return self.pki.kubeconfig(file, server=self.api.url, user=f"system:{name}")


def free_endpoints() -> Endpoints:
    """Pick ports on loopback that nobody listens on."""
    port, etcd, etcd_peer = _free_ports(3)
    return Endpoints(address="127.0.0.1", port=port, etcd=etcd, etcd_peer=etcd_peer)


def remembered_endpoints(file: Path) -> Endpoints:
    """Pick free ports once, and the same ones whenever asked again."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(vars(free_endpoints())))
    return Endpoints(**json.loads(file.read_text()))


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    # Not a fixed order: several control planes may be picking at this moment.
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"no {count} free ports from {_PORTS.start} to {_PORTS.stop}")
