"""Counts what one operator asks the API server: the faults' interceptor without a fault, in a thread of its own.

What it asks about other namespaces is left out: the jobs of earlier tests may still be looked after there.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from typing import Final

from tests.integration.operator.faults.calls import WRITES, Call, api_call
from tests.integration.operator.faults.interceptor import Interceptor, administrator, write_kubeconfig
from tools.cluster.controlplane import ControlPlane

ELSEWHERE: Final = "elsewhere"


@dataclass
class Recorder:
    """What an operator has asked so far."""

    interceptor: Interceptor

    @property
    def calls(self) -> Counter[str]:
        """By kind, such as "create jobs"."""
        calls = self.interceptor.calls.items()
        return Counter({kind: count for kind, count in calls if not kind.endswith(ELSEWHERE)})

    @property
    def writes(self) -> Counter[str]:
        """The calls that change something, other than the Lease."""
        kinds = (kind for kind in self.calls if kind.split()[0] in WRITES and kind.split()[1] != "leases")
        return Counter({kind: self.calls[kind] for kind in kinds})


@contextmanager
def recording(plane: ControlPlane, kubeconfig: Path, *, namespace: str) -> Iterator[Recorder]:
    """Writes a kubeconfig that leads through a recorder, which works for as long as the context lasts."""

    def named(method: str, target: str, body: bytes, runs: Mapping[str, str]) -> Call:
        call = api_call(method, target, body, runs)
        return call if call.namespace in {"", namespace} else replace(call, resource=ELSEWHERE)

    interceptor = Interceptor(plane.api.url, named, administrator(plane))
    ready, stop, loop = Event(), asyncio.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        async with interceptor.serving():
            write_kubeconfig(kubeconfig, interceptor.url)
            ready.set()
            await stop.wait()

    thread = Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield Recorder(interceptor)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
