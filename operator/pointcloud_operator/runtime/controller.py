"""The reconciler: looks at one PointcloudJob at a time, decides, and carries the decision out.

Whatever is done to children is preceded by a write to the PointcloudJob or, where nothing is to be written, by a read
of it from the API server: both fail when this operator's view of it is out of date.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import aiohttp
from pydantic import ValidationError

from pointcloud_api.names import GROUP, JOB_LABEL, MANAGED_BY_LABEL, MANAGER, PLURAL, VERSION
from pointcloud_api.resource import PointcloudJob, PointcloudJobStatus
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.decide import decide
from pointcloud_operator.model.decision import Decision, FetchResult, FetchWarnings, TailLog
from pointcloud_operator.model.observed import EventView, Fact, JobView, Observed, PodView, StoreAnswer
from pointcloud_operator.runtime import events
from pointcloud_operator.runtime.api import ApiError, ApiServer, Json
from pointcloud_operator.runtime.logs import LogSource, LogTailer
from pointcloud_operator.runtime.queue import Key, WorkQueue
from pointcloud_operator.runtime.reflector import OwnedCache, Reflector, owner_uid
from pointcloud_operator.runtime.store import Store

_log = logging.getLogger(__name__)

WORKERS: Final = 16
MAX_SILENCE_SECONDS: Final = 180.0
"""A watch that has brought not even a bookmark for so long is dead, and so is the operator."""
MAX_FETCHES: Final = 8
"""Rounds of fetching within one reconcile; a decision needs one for each stage at most, and events."""

Clock = Callable[[], datetime]


class Superseded(Exception):  # noqa: N818 - not an error: somebody else was quicker
    """The PointcloudJob has changed or gone since it was read."""


@dataclass
class _Memory:
    """What this process alone knows of a PointcloudJob; nothing depends on its surviving."""

    progress_written: datetime | None = None
    refusal: Fact | None = None


class Controller:
    """Reconciles every PointcloudJob of the cluster.

    Args:
        api: The API server.
        store: The store service.
        config: The install's settings.
        clock: The time, for tests that own it.
    """

    def __init__(
        self, api: ApiServer, store: Store, config: InstallConfig, *, clock: Clock = lambda: datetime.now(UTC)
    ) -> None:
        self._api = api
        self._store = store
        self._config = config
        self._clock = clock
        self._queue = WorkQueue()
        self._pointcloud_jobs = OwnedCache()
        self._memories: dict[Key, _Memory] = {}
        selector = f"{MANAGED_BY_LABEL}={MANAGER},{JOB_LABEL}"
        self._jobs = Reflector(api, "/apis/batch/v1/jobs", selector=selector, on_change=self._job_changed)
        self._pods = Reflector(api, "/api/v1/pods", selector=selector, on_change=self._pod_changed)
        self._logs = LogTailer(api, on_progress=self._queue.add)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts watching, and working once the caches are whole: half a view would be acted upon."""
        self._spawn(self._jobs.run(), self._pods.run())
        await asyncio.gather(self._jobs.synced.wait(), self._pods.synced.wait())
        self._spawn(*(self._work() for _ in range(WORKERS)))

    async def stop(self) -> None:
        """Stops everything; what is under way is left to the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._api.close()

    def problem(self) -> str | None:
        """Why the operator should be restarted, None when it is well."""
        if ended := next((task for task in self._tasks if task.done()), None):
            return f"{ended.get_name()} has ended"
        silence = time.monotonic() - min(self._jobs.heard, self._pods.heard)
        return f"a watch has been silent for {silence:.0f} s" if silence > MAX_SILENCE_SECONDS else None

    # What has changed.

    def pointcloud_job_changed(self, obj: Json) -> None:
        """A PointcloudJob was added or changed."""
        if self._pointcloud_jobs.put(obj):
            self._queue.add(_key(obj))

    def pointcloud_job_deleted(self, obj: Json) -> None:
        """A PointcloudJob is gone; its Jobs go with it by their ownerReferences."""
        self._forget(_key(obj))

    def _job_changed(self, job: Json) -> None:
        self._queue.add(Key(job["metadata"]["namespace"], owner_uid(job)))

    def _pod_changed(self, pod: Json) -> None:
        if job := self._jobs.cache.get(owner_uid(pod)):
            self._job_changed(job)

    # The work.

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._reconcile(key)
            except Superseded:
                self._queue.retry(key)
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                _log.warning("%s/%s: %s", key.namespace, key.uid, error or type(error).__name__)
                self._queue.retry(key)
            except Exception:  # noqa: BLE001 - one resource's trouble must not end the work on all others
                _log.exception("%s/%s: a defect", key.namespace, key.uid)
                self._queue.retry(key)
            else:
                self._queue.succeeded(key)
            finally:
                self._queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        held = self._pointcloud_jobs.get(key.uid)
        if held is None:
            return
        try:
            job = PointcloudJob.model_validate(held)
        except ValidationError as error:
            _log.error("%s/%s cannot be read: %s", key.namespace, held["metadata"]["name"], error)
            return
        memory = self._memories.setdefault(key, _Memory())
        decision = await self._decide(job, memory)
        now = self._clock()
        if decision.status != job.status:
            await self._write(key, held, decision.status)
            if decision.status.progress != job.status.progress:
                memory.progress_written = now
        elif decision.create or decision.delete:
            await self._confirm(key, held)
        await self._carry_out(job, decision, memory)
        for note in decision.notes:
            await events.record(self._api, job, note, now=now)
        self._follow(key, job, decision)
        if decision.wake_at:
            self._queue.add_after(key, (decision.wake_at - now).total_seconds())

    async def _decide(self, job: PointcloudJob, memory: _Memory) -> Decision:
        """Decides, fetching what the decision turns out to rest on."""
        observed = self._observe(job, memory)
        for _ in range(MAX_FETCHES):
            decision = decide(job, observed, self._config, self._clock())
            if decision.complete:
                return decision
            results: dict[str, StoreAnswer] = {}
            warnings: dict[str, tuple[EventView, ...]] = {}
            for want in decision.wants:
                if isinstance(want, FetchResult):
                    results[want.path] = await self._store.result(want.path)
                elif isinstance(want, FetchWarnings):
                    warnings[want.uid] = await events.warnings_about(self._api, job.metadata.namespace, want.uid)
            observed = replace(
                observed,
                results={**observed.results, **results},
                warnings={**observed.warnings, **warnings},
            )
        raise RuntimeError(f"a decision still wants {decision.wants} after {MAX_FETCHES} rounds")

    def _observe(self, job: PointcloudJob, memory: _Memory) -> Observed:
        jobs = tuple(JobView.of(obj) for obj in self._jobs.cache.owned_by(job.metadata.uid))
        pods = {each.uid: tuple(map(PodView.of, self._pods.cache.owned_by(each.uid))) for each in jobs}
        uids = (pod.uid for several in pods.values() for pod in several)
        return Observed(
            jobs=jobs,
            pods=pods,
            progress=self._logs.told(uids),
            refusal=memory.refusal,
            progress_written=memory.progress_written,
        )

    # The carrying out.

    async def _write(self, key: Key, held: Json, status: PointcloudJobStatus) -> None:
        body = {**held, "status": status.model_dump(mode="json", exclude_none=True)}
        try:
            written = await self._api.put(f"{_path(held)}/status", body)
        except ApiError as error:
            if error.not_found:
                self._forget(key)
            if error.not_found or error.conflict:
                raise Superseded from error
            raise
        self._pointcloud_jobs.put(written)

    async def _confirm(self, key: Key, held: Json) -> None:
        """Makes sure that the held PointcloudJob is the current one."""
        try:
            current = await self._api.get(_path(held))
        except ApiError as error:
            if not error.not_found:
                raise
            current = None
        if current is None or current["metadata"]["uid"] != key.uid:
            self._forget(key)
            raise Superseded
        if self._pointcloud_jobs.put(current):
            raise Superseded

    async def _carry_out(self, job: PointcloudJob, decision: Decision, memory: _Memory) -> None:
        jobs_path = f"/apis/batch/v1/namespaces/{job.metadata.namespace}/jobs"
        for reference in decision.delete:
            try:
                uid = reference.uid or await self._uid_if_ours(job, f"{jobs_path}/{reference.name}")
                if uid:
                    await self._api.delete(f"{jobs_path}/{reference.name}", uid=uid)
            except ApiError as error:
                if not (error.not_found or error.status == 409):
                    raise
        if decision.create is None:
            return
        try:
            await self._api.post(jobs_path, decision.create)
            memory.refusal = None
        except ApiError as error:
            if error.status >= 500:
                raise
            memory.refusal = await self._refusal(error, jobs_path, decision.create)
            if memory.refusal:
                raise

    async def _uid_if_ours(self, job: PointcloudJob, path: str) -> str | None:
        there = await self._api.get(path)
        return str(there["metadata"]["uid"]) if owner_uid(there) == job.metadata.uid else None

    async def _refusal(self, error: ApiError, jobs_path: str, wanted: Json) -> Fact | None:
        """Why a Job could not be created; None when it turns out to be there already and ours."""
        name = wanted["metadata"]["name"]
        if not error.already_exists:
            return Fact("JobRefused", f"the Job {name} cannot be created: {error.message}")
        there = await self._api.get(f"{jobs_path}/{name}")
        ours = owner_uid(there) == owner_uid(wanted)
        if ours and "deletionTimestamp" not in there["metadata"]:
            return None
        if ours or JOB_LABEL in there["metadata"].get("labels", {}):
            return Fact("JobTerminating", f"waiting for the Job {name} of an earlier PointcloudJob to be gone")
        return Fact("JobNameTaken", f"a Job {name} exists that is not this PointcloudJob's: delete it")

    def _follow(self, key: Key, job: PointcloudJob, decision: Decision) -> None:
        wanted = [want for want in decision.wants if isinstance(want, TailLog)]
        self._logs.follow(key, (LogSource(job.metadata.namespace, want.pod, want.uid) for want in wanted))

    def _forget(self, key: Key) -> None:
        self._pointcloud_jobs.remove(key.uid)
        self._memories.pop(key, None)
        self._logs.follow(key, ())
        self._queue.forget(key)

    def _spawn(self, *work: Coroutine[None, None, None]) -> None:
        self._tasks.extend(asyncio.get_running_loop().create_task(each) for each in work)


def _key(obj: Json) -> Key:
    return Key(obj["metadata"]["namespace"], obj["metadata"]["uid"])


def _path(obj: Json) -> str:
    metadata = obj["metadata"]
    return f"/apis/{GROUP}/{VERSION}/namespaces/{metadata['namespace']}/{PLURAL}/{metadata['name']}"
