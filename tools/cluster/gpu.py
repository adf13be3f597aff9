"""A GPU for the scheduler where there is none: the label and the capacity that a node with GPUs would have.

Pods that ask for it are placed and accounted for as on a real GPU node; what runs in them finds no device.
"""

import json

from tools.cluster.host import command

LABEL = "nvidia.com/gpu.present"  # as NVIDIA's GPU feature discovery sets it
_CAPACITY = "2"


def fake(kubectl: list[str], *, node: str) -> None:
    """Give the node a label and a capacity; again after each start of its kubelet, which resets the capacity."""
    command([*kubectl, "label", "--overwrite", "node", node, f"{LABEL}=true"])
    # The scheduler counts what is allocatable; the kubelet works that out of the capacity, but only some seconds later.
    fields = ("capacity", "allocatable")
    patch = [{"op": "add", "path": f"/status/{field}/nvidia.com~1gpu", "value": _CAPACITY} for field in fields]
    command([*kubectl, "patch", "node", node, "--subresource=status", "--type=json", "--patch", json.dumps(patch)])
