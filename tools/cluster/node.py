"""A whole cluster on this machine: a control plane and one node that runs containers. Needs root on Linux."""

import contextlib
import platform
import shutil
import socket
import string
import tempfile
from datetime import datetime
from functools import partial
from pathlib import Path

import yaml

from tools import debian
from tools.cluster import build, containerd, gpu, network, pause
from tools.cluster.console import say
from tools.cluster.controlplane import ControlPlane, Endpoints
from tools.cluster.host import command, create_cgroup, remove_cgroup, unmount_below
from tools.cluster.network import DNS_ADDRESS, NODE_ADDRESS
from tools.cluster.processes import Daemon, wait_until

NAME = network.NAME
CLUSTER_DOMAIN = "cluster.local"
_ENDPOINTS = Endpoints(address=NODE_ADDRESS, port=26443, etcd=22379, etcd_peer=22380)
_DNS_PORT = 1053  # 53 is often taken on every address at once
_KUBE_PROXY_PORT = 10256
_PROVISIONER = "stitchsketch.io/local-volume"
_RESOLV_CONF = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))  # the first names real servers
_PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "iptables": "iptables",  # the CNI plugin portmap calls it
    "ip": "iproute2",
    "ptp": "containernetworking-plugins",
}
"""What a node runs, and the Debian package that has it."""
# The kubelet's, and it gives no way to move them.
_CONTAINER_LOG_LINKS = Path("/var/log/containers")
_DEVICE_PLUGIN_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")


class Node:
    """The cluster in a folder, which may already be running, or half of it.

    Attributes:
        directory: Everything of it that outlives a reboot.
        kubeconfig: For the cluster's administrator.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._control_plane = ControlPlane(
            directory, endpoints=_ENDPOINTS, with_parent=False, apiserver_flags=_apiserver_flags(directory)
        )
        self.kubeconfig = self._control_plane.kubeconfig

    def up(self) -> None:
        """Bring up what is not up, and return when a pod can run.

        Raises:
            ClusterError: With the name of what failed and the end of its log.
        """
        debian.install(debian.missing(_PROGRAMS), purpose="a node")
        build.programs()
        network.ensure()
        create_cgroup(NAME)
        pki = self._control_plane.pki
        pki.ensure()
        pki.issue("apiserver-kubelet-client", common_name="kube-apiserver", groups=["system:masters"])
        fresh = self._control_plane.ensure()
        self._ensure_containerd()
        for daemon in self._node_daemons():
            if fresh or not daemon.is_current():
                daemon.restart(with_parent=False)
        self._apply_addons()
        daemons = self.daemons()
        wait_until(self._is_ready, what="the node to be Ready", seconds=120, watching=daemons)
        for port, program in ((_DNS_PORT, "CoreDNS"), (_KUBE_PROXY_PORT, "kube-proxy")):
            wait_until(partial(_listens, port), what=f"{program} to listen", seconds=60, watching=daemons)
        for daemon in daemons:
            daemon.check()
        gpu.fake(self.kubectl(), node=NAME)

    def down(self) -> None:
        """Stop the cluster and remove everything of it: processes, mounts, interfaces, rules, control groups, data."""
        say("stopping the cluster")
        for daemon in reversed(self.daemons()):
            daemon.kill()
        containerd.kill_shims()
        remove_cgroup(NAME)
        unmount_below([self.directory, network.RUN_DIRECTORY])
        network.remove()
        self._remove_strays()
        shutil.rmtree(self.directory, ignore_errors=True)

    def load(self, archive: Path, references: list[str]) -> None:
        """Put an image on the node under these names."""
        containerd.load(archive, references)

    def daemons(self) -> list[Daemon]:
        """The programs of the cluster, in the order they start."""
        return [*self._control_plane.daemons(), containerd.daemon(self.directory), *self._node_daemons()]

    def kubectl(self) -> list[str]:
        """The start of a kubectl command line for this cluster."""
        return [str(build.directory() / "kubectl"), "--kubeconfig", str(self.kubeconfig)]

    def _is_ready(self) -> bool:
        """Whether the kubelet that runs now, not one before it, has reported the node ready."""
        node = self._control_plane.api.get(f"/api/v1/nodes/{NAME}")
        started = int(self._kubelet().record.stat().st_mtime)  # heartbeats are in whole seconds
        return any(
            condition["type"] == "Ready"
            and condition["status"] == "True"
            and datetime.fromisoformat(condition["lastHeartbeatTime"]).timestamp() >= started
            for condition in (node or {}).get("status", {}).get("conditions", [])
        )

    def _ensure_containerd(self) -> None:
        daemon = containerd.daemon(self.directory)
        if not daemon.is_current():
            containerd.SOCKET.unlink(missing_ok=True)  # a kubelet that meets a dead socket gives up at once
            daemon.restart(with_parent=False)
        wait_until(containerd.answers, what="containerd to answer", seconds=60, watching=[daemon])
        if pause.IMAGE not in containerd.images():
            with tempfile.TemporaryDirectory() as folder:
                archive = Path(folder) / "pause.tar"
                pause.write_archive(archive, program=build.directory() / "pause", machine=platform.machine())
                containerd.load(archive, [pause.IMAGE])

    def _remove_strays(self) -> None:
        """Remove what the kubelet leaves in places that are not this cluster's, and the places if nothing else is."""
        for link in _CONTAINER_LOG_LINKS.glob("*"):
            if link.is_symlink() and self.directory in link.readlink().parents:
                link.unlink()
        _DEVICE_PLUGIN_SOCKET.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another's files are there, or the folder never was
            _CONTAINER_LOG_LINKS.rmdir()
        with contextlib.suppress(OSError):
            _DEVICE_PLUGIN_SOCKET.parent.rmdir()
            _DEVICE_PLUGIN_SOCKET.parent.parent.rmdir()

    def _apply_addons(self) -> None:
        command(
            [*self.kubectl(), "apply", "--server-side", "--force-conflicts", "--filename", "-"], stdin=render_addons()
        )

    def _node_daemons(self) -> list[Daemon]:
        return [self._kubelet(), self._kube_proxy(), self._coredns(), self._provisioner()]

    def _daemon(self, name: str, *flags: str, files: dict[Path, str] | None = None) -> Daemon:
        argv = [str(build.directory() / name), *flags]
        return Daemon(name=name, argv=argv, directory=self.directory / "log", files=files or {})

    def _kubeconfig_for(self, user: str, *groups: str) -> Path:
        pki = self._control_plane.pki
        file = pki.directory / f"{user.split(':')[1]}.kubeconfig"
        return pki.kubeconfig(file, server=self._control_plane.api.url, user=user, groups=groups)

    def _kubelet(self) -> Daemon:
        configuration = self.directory / "kubelet.yaml"
        pki = self._control_plane.pki
        certificate, key = pki.issue("kubelet-serving", common_name=NAME, hosts=[NODE_ADDRESS, NAME])
        document = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_ADDRESS,
            "healthzPort": 0,
            "tlsCertFile": str(certificate),
            "tlsPrivateKeyFile": str(key),
            "authentication": {
                "anonymous": {"enabled": False},
                "x509": {"clientCAFile": str(pki.certificate)},
                "webhook": {"enabled": True},
            },
            "authorization": {"mode": "Webhook"},
            "clusterDomain": CLUSTER_DOMAIN,
            "clusterDNS": [DNS_ADDRESS],
            "resolvConf": str(_resolv_conf()),
            "containerRuntimeEndpoint": f"unix://{containerd.SOCKET}",
            "podLogsDir": str(self.directory / "pod-logs"),
            "volumePluginDir": str(self.directory / "flex-volumes"),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{NAME}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "localStorageCapacityIsolation": True,
            # A developer's disk is fuller than a server's; and an image that no registry has must not be collected.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
        }
        return self._daemon(
            "kubelet",
            f"--config={configuration}",
            f"--kubeconfig={self._kubeconfig_for(f'system:node:{NAME}', 'system:nodes')}",
            f"--hostname-override={NAME}",
            f"--node-ip={NODE_ADDRESS}",
            f"--root-dir={self.directory / 'kubelet'}",
            files={configuration: yaml.safe_dump(document, sort_keys=False)},
        )

    def _kube_proxy(self) -> Daemon:
        configuration = self.directory / "kube-proxy.yaml"
        document = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(self._kubeconfig_for("system:kube-proxy"))},
            "clusterCIDR": network.POD_SUBNET,
            "hostnameOverride": NAME,
            "healthzBindAddress": f"{NODE_ADDRESS}:{_KUBE_PROXY_PORT}",
            "metricsBindAddress": f"{NODE_ADDRESS}:10249",
            # The machine's connection tracking is not this cluster's to tune.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
        files = {configuration: yaml.safe_dump(document, sort_keys=False)}
        return self._daemon("kube-proxy", f"--config={configuration}", files=files)

    def _coredns(self) -> Daemon:
        corefile = self.directory / "Corefile"
        forward = f"forward . {_resolv_conf()}" if "nameserver" in _resolv_conf().read_text() else ""
        text = f"""\
.:{_DNS_PORT} {{
    bind {NODE_ADDRESS}
    errors
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {self._kubeconfig_for("system:coredns")}
        pods insecure
        ttl 5
    }}
    {forward}
    cache 5
}}
"""
        return self._daemon("coredns", "-conf", str(corefile), files={corefile: text})

    def _provisioner(self) -> Daemon:
        volumes = self.directory / "volumes"
        volumes.mkdir(parents=True, exist_ok=True)
        kubeconfig = self._kubeconfig_for("system:local-volume-provisioner")
        return self._daemon(
            "local-volume-provisioner",
            f"--kubeconfig={kubeconfig}",
            f"--provisioner-name={_PROVISIONER}",
            f"--directory={volumes}",
            f"--node={NAME}",
        )


def render_addons() -> str:
    """The objects of addons.yaml for this cluster."""
    template = string.Template((Path(__file__).parent / "addons.yaml").read_text())
    return template.substitute(
        dns_address=DNS_ADDRESS, dns_port=_DNS_PORT, node_address=NODE_ADDRESS, provisioner=_PROVISIONER
    )


def _listens(port: int) -> bool:
    try:
        socket.create_connection((NODE_ADDRESS, port), timeout=5).close()
    except OSError:
        return False
    return True


def _apiserver_flags(directory: Path) -> list[str]:
    pki = directory / "pki"
    return [
        f"--advertise-address={NODE_ADDRESS}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",  # no name server knows the node's name
        "--allow-privileged=true",
    ]


def _resolv_conf() -> Path:
    return next((path for path in _RESOLV_CONF if path.exists()), _RESOLV_CONF[-1])
