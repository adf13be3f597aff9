"""The node's network: an address of its own, pods behind routed links, masquerading; and how all of it is removed.

The node's address sits on an interface that only this cluster has. So it stays when the machine changes networks, its
ports collide with nobody's, and nothing is reachable from outside the machine. Pods hang on point-to-point links, not
on a bridge: what one pod sends to a Service that another answers must pass the machine's routing both ways to be
translated back, and on a bridge the answer would take the short cut.
"""

import base64
import contextlib
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from tools.cluster.errors import ClusterError
from tools.cluster.host import cni_plugins, command, unmount_below

NAME = "pointcloud-local"
NODE_ADDRESS = "10.213.255.1"
DNS_ADDRESS = "10.214.0.10"  # in the control plane's SERVICE_SUBNET
POD_SUBNET = "10.213.0.0/24"
RUN_DIRECTORY = Path("/run") / NAME
_INTERFACE = "pointcloud0"
_LEASES = RUN_DIRECTORY / "addresses"
_CNI_RESULTS = Path("/var/lib/cni/results")  # libcni's, and containerd gives no way to move it
_KUBE_PROXY_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))


def ensure() -> None:
    """Make the interface with the node's address, and masquerade what pods send out of the machine."""
    if not Path(f"/sys/class/net/{_INTERFACE}").exists():
        # A bridge without ports stands for a dummy interface, which some kernels do not have.
        command(["ip", "link", "add", _INTERFACE, "type", "bridge"])
    command(["ip", "address", "replace", f"{NODE_ADDRESS}/32", "dev", _INTERFACE])
    command(["ip", "link", "set", _INTERFACE, "up"])
    rules = f"""
        table ip {NAME} {{}}
        delete table ip {NAME}
        table ip {NAME} {{
            chain postrouting {{
                type nat hook postrouting priority srcnat;
                ip saddr {POD_SUBNET} ip daddr != {POD_SUBNET} masquerade
            }}
        }}
    """
    command(["nft", "-f", "-"], stdin=rules)


def cni_configuration() -> str:
    """How containerd connects a pod: one link, an address from the subnet, hostPorts where it asks for them."""
    ipam = {
        "type": "host-local",
        "dataDir": str(_LEASES),
        "ranges": [[{"subnet": POD_SUBNET}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [{"type": "ptp", "ipam": ipam}, {"type": "portmap", "capabilities": {"portMappings": True}}]
    return json.dumps({"cniVersion": "0.4.0", "name": NAME, "plugins": plugins}, indent=2)


def remove() -> None:
    """Take everything of this network away, after its pods' processes have been killed."""
    for file in _CNI_RESULTS.glob(f"{NAME}-*"):
        attachment = json.loads(file.read_text())
        namespaces = {Path(item["sandbox"]) for item in attachment["result"]["interfaces"] if "sandbox" in item}
        for namespace in namespaces:
            _detach(attachment, namespace)
            unmount_below([namespace])
            namespace.unlink(missing_ok=True)
        for result in _CNI_RESULTS.glob(f"*-{attachment['containerId']}-*"):  # this one, and loopback's
            result.unlink()
    _remove_unused_hostport_chains()
    if Path(f"/sys/class/net/{_INTERFACE}").exists():
        command(["ip", "link", "delete", _INTERFACE])
    for family, table in (("ip", NAME), *_KUBE_PROXY_TABLES):
        with contextlib.suppress(ClusterError):  # there is none
            command(["nft", "delete", "table", family, table])
    shutil.rmtree(RUN_DIRECTORY, ignore_errors=True)


def _detach(attachment: dict[str, Any], namespace: Path) -> None:
    """Undo one pod's connection as the container runtime would have: portmap's firewall rules go only this way.

    Args:
        attachment: What libcni remembers of it, in the format of its cache.
        namespace: The pod's network namespace.
    """
    configuration = json.loads(base64.b64decode(attachment["config"]))
    for plugin in reversed(configuration["plugins"]):
        asked = {"name": configuration["name"], "cniVersion": configuration["cniVersion"], **plugin}
        asked["prevResult"] = attachment["result"]
        if capabilities := attachment.get("capabilityArgs"):
            asked["runtimeConfig"] = capabilities
        environment = {
            "CNI_COMMAND": "DEL",
            "CNI_CONTAINERID": attachment["containerId"],
            "CNI_NETNS": str(namespace),
            "CNI_IFNAME": attachment["ifName"],
            "CNI_PATH": str(cni_plugins()),
        }
        # A half-made connection cannot be undone whole; its namespace, which follows, holds what is left.
        with contextlib.suppress(ClusterError):
            command([str(cni_plugins() / plugin["type"])], stdin=json.dumps(asked), environment=environment)


def _remove_unused_hostport_chains() -> None:
    """Remove the chains in which portmap keeps every network's hostPorts, if no network has one any more."""
    rules = command(["iptables", "--table", "nat", "--list-rules"]).splitlines()
    if any(rule.startswith("-A CNI-HOSTPORT-DNAT ") for rule in rules):
        return
    chains = [rule.split()[1] for rule in rules if rule.startswith("-N CNI-HOSTPORT-")]
    for rule in rules:
        arguments = shlex.split(rule)
        if arguments[0] == "-A" and arguments[-1] in chains:  # a jump to it
            command(["iptables", "--table", "nat", "--delete", *arguments[1:]])
    for chain in chains:
        command(["iptables", "--table", "nat", "--flush", chain])
        command(["iptables", "--table", "nat", "--delete-chain", chain])
