"""The reconciler: looks at one PointcloudJob at a time, decides, and carries the decision out.

Whatever is done to children is preceded by a write to the PointcloudJob or, where nothing is to be written, by a read
of it from the API server: both fail when this operator's view of it is out of date.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import aiohttp
from pydantic import ValidationError

from pointcloud_api.resource import PointcloudJob
from pointcloud_kube.api import ApiError, ApiServer, Json
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.decide import decide
from pointcloud_operator.model.decision import Decision, FetchPods, FetchResult, FetchWarnings, TailLog, Want
from pointcloud_operator.model.observed import Fact, Observed
from pointcloud_operator.runtime import events
from pointcloud_operator.runtime.actions import Actions, Gone, Superseded
from pointcloud_operator.runtime.gpus import GpuSeconds, gpu_resources
from pointcloud_operator.runtime.logs import LogSource, LogTailer
from pointcloud_operator.runtime.metrics import Metrics
from pointcloud_operator.runtime.queue import Key, WorkQueue
from pointcloud_operator.runtime.store import Store
from pointcloud_operator.runtime.view import View, key_of, read_pods

_log = logging.getLogger(__name__)

WORKERS: Final = 16
FINISH_SECONDS: Final = 5.0
"""How long a reconcile that is under way when the process is to end may take."""
MAX_ERASING: Final = 4
"""Workers that may wait for the store to remove something."""
ERASE_AGAIN_SECONDS: Final = 1.0
MAX_FETCHES: Final = 8
"""Rounds of fetching within one reconcile; a decision needs one for each stage at most, and events."""

Clock = Callable[[], datetime]


class Refused(Exception):  # noqa: N818 - an answer, which the next decision takes into account
    """The API server or the store does not do what was decided; the message says why."""


@dataclass
class _Memory:
    """What this process alone knows of a PointcloudJob; nothing depends on its surviving."""

    progress_written: datetime | None = None
    refusal: Fact | None = None
    erased: set[str] = field(default_factory=set)
    """Folders of the store removed since the status was written last: what it says of them now was decided knowing."""
    erase_refusal: Fact | None = None


class Controller:
    """Reconciles every PointcloudJob of the cluster. It sees from `watch` on, and acts from `begin` on.

    Args:
        api: The API server.
        store: The store service.
        config: The install's settings.
        metrics: Is told what happens.
        guard: Called before everything that changes something; raises, or ends the process, when another one is to act.
        clock: The time, for tests that own it.
    """

    def __init__(  # noqa: PLR0913 - the world as far as it is concerned
        self,
        api: ApiServer,
        store: Store,
        config: InstallConfig,
        metrics: Metrics,
        *,
        guard: Callable[[], None] = lambda: None,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api.guarded(guard)
        self._actions = Actions(self._api)
        self._store = store
        self._erasing = asyncio.Semaphore(MAX_ERASING)
        self._config = config
        self._metrics = metrics
        self._guard = guard
        self._clock = clock
        self._queue = WorkQueue(on_taken=metrics.taken)
        self._memories: dict[Key, _Memory] = {}
        self._gpus = GpuSeconds(gpu_resources(config))
        self._logs = LogTailer(self._api, on_progress=self._queue.add)
        self._workers: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self.leading = False
        """Whether it acts: from `begin` to `finish`."""
        self.view = View(self._api, on_change=self._changed, on_gone=self._forget, on_pod=self._pod_changed)

    def begin(self) -> tuple[asyncio.Task[None], ...]:
        """Acts from now on, once the view is whole; returns what works, which never ends by itself."""
        self.leading = True
        for pod in self.view.pods():
            self._pod_changed(pod, there=True)
        for job in self.view.pointcloud_jobs():
            self._queue.add(key_of(job))
        loop = asyncio.get_running_loop()
        self._workers = {loop.create_task(self._work(), name="a worker") for _ in range(WORKERS)}
        return tuple(self._workers)

    async def finish(self) -> None:
        """Acts no more; what is under way gets some seconds to end, and the next process does the rest."""
        self.leading = False
        for worker in self._workers - self._busy:
            worker.cancel()
        if self._busy:
            await asyncio.wait(self._busy, timeout=FINISH_SECONDS)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._logs.stop()

    # What is counted when somebody asks.

    def pointcloud_jobs(self) -> list[Json]:
        """Every PointcloudJob as it was last seen."""
        return self.view.pointcloud_jobs()

    def queue(self) -> tuple[int, float]:
        """How many keys wait, and seconds for which the oldest has waited or been worked on."""
        return len(self._queue), self._queue.age

    def gpu_seconds(self) -> tuple[float, float]:
        """GPU seconds used and waited."""
        return self._gpus.totals(time.monotonic())

    def watch_ages(self) -> dict[str, float]:
        """Seconds since each watch was heard of."""
        return {resource: time.monotonic() - each.heard for resource, each in self.view.reflectors.items()}

    # What has changed.

    def _changed(self, key: Key) -> None:
        if self.leading:
            self._queue.add(key)

    def _pod_changed(self, pod: Json, there: bool) -> None:  # noqa: FBT001 - as OnPod has it
        if self.leading:
            self._gpus.see(pod, there=there, now=time.monotonic())

    def _forget(self, key: Key) -> None:
        """A PointcloudJob is gone; its Jobs go with it by their ownerReferences."""
        self._memories.pop(key, None)
        self._logs.follow(key, ())
        self._queue.forget(key)

    # The work.

    async def _work(self) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - for the type checker: this is a task
        while True:
            key = await self._queue.get()
            self._busy.add(me)
            try:
                await self._look_at(key)
            finally:
                self._busy.discard(me)
                self._queue.done(key)
            if not self.leading:
                return

    async def _look_at(self, key: Key) -> None:
        """Reconciles, and asks for it again where that did not succeed."""
        begun = time.perf_counter()
        outcome = "failed"
        try:
            await self._reconcile(key)
        except Superseded:
            outcome = "superseded"
            self._queue.retry(key)
        except Refused as refusal:
            outcome = "refused"
            _log.warning("%s/%s: %s", key.namespace, key.uid, refusal)
            self._queue.retry(key)
        except ApiError as error:
            _log.warning("%s/%s: %s", key.namespace, key.uid, error)
            self._queue.retry(key, after=error.retry_after)
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("%s/%s: %s", key.namespace, key.uid, error or type(error).__name__)
            self._queue.retry(key)
        except Exception:  # noqa: BLE001 - one resource's trouble must not end the work on all others
            _log.exception("%s/%s: a defect", key.namespace, key.uid)
            self._queue.retry(key)
        else:
            outcome = "done"
            self._queue.succeeded(key)
        finally:
            self._metrics.reconciled(outcome, time.perf_counter() - begun)

    async def _reconcile(self, key: Key) -> None:
        held = self.view.get(key)
        if held is None:
            return
        try:
            job = PointcloudJob.model_validate(held)
        except ValidationError as error:
            _log.error("%s/%s cannot be read: %s", key.namespace, held["metadata"]["name"], error)
            return
        memory = self._memories.setdefault(key, _Memory())
        decision = await self._decide(job, held, memory)
        self._follow(key, job, decision)
        if decision.wake_at:
            self._queue.add_after(key, (decision.wake_at - self._clock()).total_seconds())
        try:
            await self._carry_out(held, job, decision, memory)
        except Gone:
            self.view.forget(key)

    async def _decide(self, job: PointcloudJob, held: Json, memory: _Memory) -> Decision:
        """Decides, fetching what the decision turns out to rest on."""
        observed = self._observe(held, memory)
        for _ in range(MAX_FETCHES):
            decision = decide(job, observed, self._config, self._clock())
            if decision.complete:
                return decision
            for want in decision.wants:
                observed = await self._fetched(observed, want, held)
        raise RuntimeError(f"a decision still wants {decision.wants} after {MAX_FETCHES} rounds")

    async def _fetched(self, observed: Observed, want: Want, held: Json) -> Observed:
        """What was observed, and what is wanted beside it."""
        match want:
            case FetchResult(path=path):
                return replace(observed, results={**observed.results, path: await self._store.result(path)})
            case FetchWarnings(uid=uid):
                warnings = await events.warnings_about(self._api, held["metadata"]["namespace"], uid)
                return replace(observed, warnings={**observed.warnings, uid: warnings})
            case FetchPods(uid=uid):
                pods = await read_pods(self._api, held, uid)
                return replace(observed, pods={**observed.pods, uid: pods}, read=observed.read | {uid})
        return observed

    def _observe(self, held: Json, memory: _Memory) -> Observed:
        jobs, pods = self.view.children(held)
        uids = (pod.uid for several in pods.values() for pod in several)
        return Observed(
            jobs=jobs,
            pods=pods,
            progress=self._logs.told(uids),
            refusal=memory.refusal,
            erased=frozenset(memory.erased),
            erase_refusal=memory.erase_refusal,
            progress_written=memory.progress_written,
        )

    # The carrying out.

    async def _carry_out(self, held: Json, job: PointcloudJob, decision: Decision, memory: _Memory) -> None:
        """Does what was decided, in the order that `Decision` documents."""
        for note in decision.notes:
            await events.record(self._api, job, note, now=self._clock())
        if decision.finalizer is not None:
            held = await self._actions.set_finalizer(held, wanted=decision.finalizer)
            self.view.renew(held)
        released = "deletionTimestamp" in held["metadata"] and not held["metadata"].get("finalizers")
        if released:
            raise Gone
        held = await self._remember(held, job, decision, memory)
        await self._act(held, decision, memory)
        if decision.remove:
            await self._actions.remove(held)

    async def _remember(self, held: Json, job: PointcloudJob, decision: Decision, memory: _Memory) -> Json:
        """Writes the status, or, where it stays and something is to be done, makes sure that nothing has changed."""
        if decision.status == job.status:
            acts = decision.create or decision.delete or decision.abandon or decision.erase
            if acts and self.view.renew(await self._actions.current(held)):
                raise Superseded
            return held
        held = await self._actions.write_status(held, decision.status)
        self.view.renew(held)
        if decision.status.phase and decision.status.phase.terminal:
            self._queue.add(key_of(held))  # to wake for what time brings: to the watch, what was written is no news
        memory.erased.clear()
        self._metrics.written(job.status, decision.status, self._clock())
        if decision.status.progress != job.status.progress:
            memory.progress_written = self._clock()
        return held

    async def _act(self, held: Json, decision: Decision, memory: _Memory) -> None:
        """Brings Jobs, pods and the store in line with the status."""
        for job_reference in decision.delete:
            await self._actions.delete_job(held, job_reference)
        for pod_reference in decision.abandon:
            await self._actions.abandon(held, pod_reference, now=self._clock())
        if decision.erase:
            await self._erase(key_of(held), decision.erase, memory)
        if decision.create:
            memory.refusal = await self._actions.create_job(decision.create)
            if memory.refusal:
                raise Refused(memory.refusal.message)

    async def _erase(self, key: Key, prefixes: Iterable[str], memory: _Memory) -> None:
        """Removes folders of the store, one request each.

        The worker waits for it, so that nothing else is done to the same PointcloudJob meanwhile: its next decision may
        publish what this one removes. Only some workers wait at a time, and leave the others to the rest.
        """
        if self._erasing.locked():
            self._queue.add_after(key, ERASE_AGAIN_SECONDS)
            return
        async with self._erasing:
            for prefix in prefixes:
                self._guard()
                memory.erase_refusal = await self._store.erase(prefix)
                if memory.erase_refusal:
                    raise Refused(memory.erase_refusal.message)
                memory.erased.add(prefix)
        self._queue.add(key)

    def _follow(self, key: Key, job: PointcloudJob, decision: Decision) -> None:
        wanted = [want for want in decision.wants if isinstance(want, TailLog)]
        self._logs.follow(key, (LogSource(job.metadata.namespace, want.pod, want.uid) for want in wanted))
