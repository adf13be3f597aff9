"""The process: its caches, its Lease, the controller that acts while it holds it, and the pages that tell of it all."""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Coroutine
from typing import Final, NoReturn

from pointcloud_api.names import MANAGER
from pointcloud_kube.api import ApiServer
from pointcloud_kube.lease import Lease
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.runtime.controller import Controller
from pointcloud_operator.runtime.metrics import Metrics
from pointcloud_operator.runtime.store import Store
from pointcloud_operator.runtime.web import Pages

_log = logging.getLogger(__name__)

MAX_STUCK_SECONDS: Final = 180.0
"""A watch is silent for two minutes at most before it is begun anew; one that is not begun for longer is stuck."""
MAX_QUEUE_SECONDS: Final = 600.0
"""No reconcile takes so long, each of its requests having its limit, and no queue, which empties by hundreds a second.
"""


class Operator:
    """One replica of the operator.

    Args:
        config: The install's settings.
        store: The store service.
        port: Of its pages.
        namespace: Where the Lease is by which replicas agree who acts; empty where there is no other replica.
    """

    def __init__(self, config: InstallConfig, store: Store, *, port: int, namespace: str) -> None:
        self._config = config
        self._store = store
        self._namespace = namespace
        self._metrics = Metrics()
        self._pages = Pages(port, alive=self._why_stuck, ready=self._why_not_ready, metrics=self._metrics.render)
        self._tasks: list[asyncio.Task[None]] = []
        self._api: ApiServer | None = None
        self._lease_api: ApiServer | None = None
        self._controller: Controller | None = None
        self._lease: Lease | None = None
        self._stopping = False

    async def answer(self) -> None:
        """Answers probes from now on. Raises OSError when the port is taken."""
        await self._pages.start()

    async def start(self) -> None:
        """Sees from now on, and acts as soon as the Lease is had."""
        self._api = await ApiServer.connect(on_answer=self._metrics.answered)
        if self._namespace:
            # Over connections of its own: a renewal must not wait for one behind logs and jobs.
            self._lease_api = await ApiServer.connect(on_answer=self._metrics.answered)
            identity = f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
            self._lease = Lease(self._lease_api, self._namespace, MANAGER, identity=identity)
        self._controller = Controller(self._api, self._store, self._config, self._metrics, guard=self._guard)
        self._metrics.watch(self._controller)
        for resource, reflector in self._controller.view.reflectors.items():
            self._spawn(reflector.run(), f"the watch of {resource}")
        self._spawn(self._lead(self._controller), "the election")

    async def stop(self) -> None:
        """Ends in good order: nothing is under way any more when another replica may begin."""
        self._stopping = True
        if self._controller is not None:
            await self._controller.finish()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._lease is not None:
            await self._lease.release()
        for api in (self._api, self._lease_api):
            if api is not None:
                await api.close()
        await self._pages.stop()

    async def _lead(self, controller: Controller) -> None:
        await controller.view.until_whole()
        if self._lease is not None:
            await self._lease.acquire()
        _log.info("this replica acts from now on")
        self._tasks.extend(self._watched(worker) for worker in controller.begin())
        if self._lease is None:
            await asyncio.Event().wait()
        else:
            await self._lease.keep()
            _end("the Lease is lost, another replica acts")

    def _guard(self) -> None:
        if self._lease is not None and not self._lease.held:
            _end("the Lease has run out, another replica may act")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        self._tasks.append(self._watched(asyncio.get_running_loop().create_task(work, name=name)))

    def _watched(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        """A task that never ends; should it, so must the process, rather than go on with a part of it missing."""

        def ended(task: asyncio.Task[None]) -> None:
            if task.cancelled() or self._stopping:
                return
            _end(f"{task.get_name()} has ended: {task.exception()!r}")

        task.add_done_callback(ended)
        return task

    # What the pages tell.

    def _why_stuck(self) -> str | None:
        """Why the process should be started anew.

        An API server that is away is no reason: what is not answered is asked again, also by the next process.
        """
        if self._controller is None:
            return None
        now = time.monotonic()
        for resource, reflector in self._controller.view.reflectors.items():
            if (silence := now - max(reflector.heard, reflector.tried)) > MAX_STUCK_SECONDS:
                return f"the watch of {resource} has been stuck for {silence:.0f} s"
        _, age = self._controller.queue()
        return f"the oldest PointcloudJob in the queue has waited for {age:.0f} s" if age > MAX_QUEUE_SECONDS else None

    def _why_not_ready(self) -> str | None:
        """Why the process could not act now if it had to; one that waits for the Lease could."""
        if self._controller is None:
            return "the cluster has not answered yet"
        missing = [resource for resource, each in self._controller.view.reflectors.items() if not each.synced.is_set()]
        return f"not listed yet: {', '.join(missing)}" if missing else None


def _end(reason: str) -> NoReturn:
    """Ends the process at once, as a crash would: nothing of what is under way may go on."""
    _log.critical("%s; this process ends", reason)
    logging.shutdown()
    os._exit(1)
