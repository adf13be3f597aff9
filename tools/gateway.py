"""`make -s gateway-url` and `make -s gateway-token`: where the local cluster's REST service is, and a way in."""

import argparse
import sys
from collections.abc import Callable
from typing import Any, Final

import yaml

from pointcloud_api.names import GATEWAY_AUDIENCE
from tools.cluster.backends import brought_up
from tools.cluster.build import programs
from tools.cluster.console import say
from tools.cluster.errors import ClusterError
from tools.cluster.paths import state_directory
from tools.install import NAMESPACE, RELEASE
from tools.kubectl import Kubectl, KubectlError

USER: Final = "gateway-user"
"""A service account that may do with PointcloudJobs what people who may edit a namespace can, in every namespace."""


def url(kubectl: Kubectl) -> str:
    """The address of the gateway, without a trailing slash."""
    config = kubectl.within(NAMESPACE).get("configmap", RELEASE)
    if config is None:
        raise KubectlError("pointcloud-operator is not installed here: run `make install`")
    return str(yaml.safe_load(config["data"]["config.yaml"])["externalUrl"])


def token(kubectl: Kubectl) -> str:
    """A token that the gateway accepts for a day, of a user that may edit PointcloudJobs everywhere."""
    inside = kubectl.within(NAMESPACE)
    binding: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{RELEASE}-{USER}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{RELEASE}-edit"},
        "subjects": [{"kind": "ServiceAccount", "name": USER, "namespace": NAMESPACE}],
    }
    inside.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": USER}}, binding)
    return inside("create", "token", USER, "--audience", GATEWAY_AUDIENCE, "--duration", "24h").strip()


WORDS: Final[dict[str, Callable[[Kubectl], str]]] = {"url": url, "token": token}


def main() -> int:
    """The command line: prints the one thing asked for, so that a shell can take it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(WORDS))
    what = parser.parse_args().what
    try:
        cluster = brought_up(state_directory())
        print(WORDS[what](Kubectl(program=programs() / "kubectl", kubeconfig=cluster.kubeconfig)))
    except (ClusterError, KubectlError) as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
