"""A namespace with what any value of a property may ask for: a node with labels and GPUs, claims, priority classes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from tests.integration.operator.faults.interceptor import administrator
from tests.integration.operator.faults.world import World
from tests.integration.operator.properties.values import CLAIMS, NODE_LABELS, PRIORITY_CLASSES
from tools.cluster.controlplane import ControlPlane

NAMESPACE: Final = "properties"
NODE: Final = "properties"
_VOLUMES: Final = "/api/v1/persistentvolumes"
_CLASSES: Final = "/apis/scheduling.k8s.io/v1/priorityclasses"
_NODES: Final = "/api/v1/nodes"


@asynccontextmanager
async def furnished(plane: ControlPlane, store: Path) -> AsyncIterator[World]:
    """The namespace, watched; everything else of it is gone again afterwards."""
    connector = aiohttp.TCPConnector(limit=0, ssl=administrator(plane))
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(plane.api.url, connector=connector, timeout=timeout, read_bufsize=1 << 22) as http:
        world = World(http, NAMESPACE, store, uids={}, logs={})
        await world.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        await _furnish(world)
        heart = asyncio.create_task(_beat(world))
        try:
            async with world.watched():
                await world.ready()
                yield world
        finally:
            heart.cancel()
            await _clear(world)


async def _furnish(world: World) -> None:
    await world.call("POST", _NODES, {"metadata": {"name": NODE, "labels": NODE_LABELS}})
    for number, name in enumerate(PRIORITY_CLASSES, start=1):
        await world.call("POST", _CLASSES, {"metadata": {"name": name}, "value": number})
    for name in CLAIMS:
        bound: dict[str, object] = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
        claim = {**bound, "volumeName": f"{NAMESPACE}-{name}", "resources": {"requests": {"storage": "1Gi"}}}
        volume = {
            **bound,
            "capacity": {"storage": "1Gi"},
            "hostPath": {"path": "/nowhere"},
            "claimRef": {"namespace": NAMESPACE, "name": name},
        }
        await world.call("POST", _VOLUMES, {"metadata": {"name": f"{NAMESPACE}-{name}"}, "spec": volume})
        path = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
        await world.call("POST", path, {"metadata": {"name": name}, "spec": claim})


async def _beat(world: World) -> None:
    """Keeps the node from being taken for dead, which happens after 40 s."""
    resources = {"cpu": "640", "memory": "2560Gi", "pods": "5000", "ephemeral-storage": "10Ti", "nvidia.com/gpu": "640"}
    while True:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}
        status = {"conditions": [ready], "capacity": resources, "allocatable": resources}
        await world.call("PATCH", f"{_NODES}/{NODE}/status", {"status": status})
        await asyncio.sleep(5)


async def _clear(world: World) -> None:
    await world.call("DELETE", f"/api/v1/namespaces/{NAMESPACE}")
    await world.call("DELETE", f"{_NODES}/{NODE}")
    for name in PRIORITY_CLASSES:
        await world.call("DELETE", f"{_CLASSES}/{name}")
    for name in CLAIMS:
        await world.call("DELETE", f"{_VOLUMES}/{NAMESPACE}-{name}")
