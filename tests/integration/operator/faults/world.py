"""One namespace as it truly is, watched at the API server itself, with a node whose kubelet does what a test says.

Everything waits for events: hundreds of PointcloudJobs can run side by side, each after its own script.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar

import aiohttp

from pointcloud_api.names import (
    API_VERSION,
    ATTEMPT_LABEL,
    GROUP,
    KEY_LABEL,
    KIND,
    PLURAL,
    STAGE_LABEL,
    VERSION,
    StageName,
    job_prefix,
    result_path,
    stage_prefix,
)
from pointcloud_api.stages import ExitCode, Figures, Progress, ProgressLine, StageResult, Termination
from tests.integration.operator.conftest import kubelet_report

Json = dict[str, Any]
T = TypeVar("T")

PATIENCE_SECONDS: Final = 180
FIGURES: Final = Figures(images_found=19, images_usable=18, images_registered=7, points=6427)
CUSTOM: Final = f"/apis/{GROUP}/{VERSION}"
KEY: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{10}(?![0-9a-f])")
UID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KINDS: Final = {PLURAL: CUSTOM, "jobs": "/apis/batch/v1", "pods": "/api/v1", "events": "/api/v1"}
EVICTED: Final = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drained"}


class StuckError(AssertionError):
    """A script waited in vain."""


@dataclass
class Run:
    """One PointcloudJob and all its children that ever were."""

    world: "World"
    name: str
    job: Json | None = None
    """As it is; None before it is created and once it is gone."""
    jobs: dict[str, Json] = field(default_factory=dict)
    """By uid, as they were last seen."""
    pods: dict[str, Json] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    """Reasons of the Events about the PointcloudJob."""
    gone: set[str] = field(default_factory=set)
    """Uids of what has been deleted."""
    breaches: list[str] = field(default_factory=list)
    """What must never be, and was."""
    versions: list[int] = field(default_factory=list)
    """The resourceVersions of its changes and its children's."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _played: set[str] = field(default_factory=set)

    # What is seen.

    def saw(self, plural: str, kind: str, obj: Json) -> None:
        """Something of this run has changed."""
        uid = obj["metadata"]["uid"]
        self.versions.append(int(obj["metadata"]["resourceVersion"]))
        if kind == "DELETED":
            self.gone.add(uid)
        if plural == PLURAL:
            self._check_status(obj)
            self.job = None if kind == "DELETED" else obj
        elif plural == "jobs":
            if uid not in self.jobs:
                self._check_new(obj)
            self.jobs[uid] = obj
        elif plural == "pods":
            self.pods[uid] = obj
        elif kind == "ADDED" and obj["involvedObject"]["kind"] == KIND:
            self.told.append(obj["reason"])
        self._changed.set()

    def _check_new(self, job: Json) -> None:
        """No Job is made twice, nor beside another that may still run pods for the same key."""
        name, labels = job["metadata"]["name"], job["metadata"]["labels"]
        for uid, other in self.jobs.items():
            if other["metadata"]["name"] == name:
                self.breaches.append(f"the Job {name} was made twice")
            same = all(other["metadata"]["labels"][each] == labels[each] for each in (STAGE_LABEL, KEY_LABEL))
            if same and uid not in self.gone and not _over(other):
                self.breaches.append(f"the Job {name} was made beside {other['metadata']['name']}")

    def _check_status(self, job: Json) -> None:
        """Within one generation no end is left, no percent lost, and no stage's work undone or tried again anew."""
        before, after = (each.get("status", {}) for each in (self.job or {}, job))
        if before.get("observedGeneration") != after.get("observedGeneration"):
            return
        if before.get("phase") in {"Succeeded", "Failed"} and after.get("phase") != before["phase"]:
            self.breaches.append(f"{before['phase']} became {after.get('phase')} within one generation")
        then, now = (status.get("progress", {}).get("percent", 0) for status in (before, after))
        if now < then:
            self.breaches.append(f"{then} percent became {now} within one generation")
        stages = {(stage["name"], stage["key"]): stage for stage in after.get("stages", ())}
        for stage in before.get("stages", ()):
            self._check_stage(stage, stages.get((stage["name"], stage["key"])))

    def _check_stage(self, before: Json, after: Json | None) -> None:
        """Of one key: None is a stage that has another key now."""
        if after is None:
            return
        if after["attempt"] < before["attempt"]:
            self.breaches.append(f"attempt {before['attempt']} of {before['name']} became {after['attempt']}")
        if before["phase"] == "Succeeded" != after["phase"]:
            self.breaches.append(f"{before['name']} had succeeded and is {after['phase']} within one generation")

    async def until(self, found: Callable[[], T | None], what: str) -> T:
        """Waits for something true to be found, looking whenever something of this run changes."""
        begun = monotonic()
        while not (answer := found()):
            left = max(begun, self.world.goes_on_since) + PATIENCE_SECONDS - monotonic()
            if left < 0:
                raise StuckError(f"{self.name} waited {PATIENCE_SECONDS} s in vain for {what}: {self.status}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self.changed(), min(left, 5))
        return answer

    async def changed(self) -> None:
        """Waits until something of this run changes, or somebody nudges it."""
        self._changed.clear()
        await self._changed.wait()

    def nudge(self) -> None:
        """Lets whoever waits look again."""
        self._changed.set()

    @property
    def status(self) -> Json:
        """Of the PointcloudJob; empty where there is none."""
        status: Json = (self.job or {}).get("status", {})
        return status

    async def phase(self, phase: str) -> None:
        """Waits for a phase that answers the current spec."""

        def there() -> bool:
            current = self.job and self.status.get("observedGeneration") == self.job["metadata"]["generation"]
            return bool(current and self.status.get("phase") == phase)

        await self.until(there, f"phase {phase}")

    def diverge(self) -> None:
        """From here on the script is no longer the straight run's: what it did so far is tried there."""
        self.world.on_divergence(self)

    # What the user does.

    async def submit(self, **spec: Any) -> None:
        """Creates the PointcloudJob, of an archive's photos unless told otherwise."""
        source = {"urls": ["https://example.com/photos.zip"]}
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": self.name},
            "spec": {"source": source, **spec},
        }
        await self.world.call("POST", self.world.path(PLURAL), body)
        await self.until(lambda: self.job, "the PointcloudJob")

    async def change(self, **spec: Any) -> None:
        """Changes fields of the spec."""
        changed = await self.world.call("PATCH", self.world.path(PLURAL, self.name), {"spec": spec})
        generation = changed["metadata"]["generation"]
        await self.until(lambda: self.job and self.job["metadata"]["generation"] >= generation, "the change")

    async def delete(self) -> None:
        """Deletes the PointcloudJob and waits until it is gone."""
        await self.world.call("DELETE", self.world.path(PLURAL, self.name))
        await self.until(lambda: self.job is None, "the PointcloudJob to be gone")
        await self.until(lambda: set(self.jobs) | set(self.pods) <= self.gone, "its children to be gone")

    # What the kubelet does.

    async def pod(self, stage: StageName) -> Json:
        """The next pod of a stage to be started: it is on the node."""

        def bound() -> Json | None:
            return next((pod for pod in self.pods.values() if self._startable(pod, stage)), None)

        pod = await self.until(bound, f"a pod of the {stage} stage")
        self._played.add(pod["metadata"]["uid"])
        return pod

    def _startable(self, pod: Json, stage: StageName) -> bool:
        metadata, uid = pod["metadata"], pod["metadata"]["uid"]
        known = uid in self._played | self.gone or "deletionTimestamp" in metadata
        return not known and metadata["labels"][STAGE_LABEL] == stage and bool(pod["spec"].get("nodeName"))

    async def start(self, stage: StageName) -> Json:
        """Starts the stage's next pod; the operator has seen it run."""
        pod = await self.pod(stage)
        await self.world.write_pod(pod, "Running", {"running": {"startedAt": _now()}})
        await self.until(lambda: self._seen_running(stage, pod), f"a pod of the {stage} stage to be seen running")
        return pod

    def _seen_running(self, stage: StageName, pod: Json) -> bool:
        record: Json = next((each for each in self.status.get("stages", ()) if each["name"] == stage), {})
        return record.get("phase") == "Running" and record.get("pod", {}).get("uid") == pod["metadata"]["uid"]

    async def end(
        self, pod: Json, *, exit_code: int, message: str = "", reason: str = "Error", disrupted: bool = False
    ) -> None:
        """The pod's container ends."""
        ended = {
            "exitCode": exit_code,
            "reason": reason if exit_code else "Completed",
            "message": message,
            "startedAt": _now(),
            "finishedAt": _now(),
        }
        phase = "Failed" if exit_code else "Succeeded"
        await self.world.write_pod(pod, phase, {"terminated": ended}, *([EVICTED] if disrupted else ()))

    async def tell(self, pod: Json, *, step: str) -> None:
        """The pod prints a line of progress, and the status shows it."""
        uid = pod["metadata"]["uid"]
        progress = Progress(nonce=uid, step=step, done=40, total=80, unit="pairs", percent=50)
        self.world.logs[pod["metadata"]["name"]] = ProgressLine(progress=progress).model_dump_json() + "\n"
        await self.until(lambda: step in self.status.get("progress", {}).get("message", ""), "the progress")

    async def succeed(self, stage: StageName) -> None:
        """Runs the stage's next pod to its end. Its result is in the store and in its termination message."""
        pod = await self.start(stage)
        if stage is StageName.RECONSTRUCT:
            await self.tell(pod, step="match")
        labels, uid = pod["metadata"]["labels"], pod["metadata"]["uid"]
        result = StageResult(stage=stage, key=labels[KEY_LABEL], pod_uid=uid, artefacts=(), figures=FIGURES)
        self.world.lay(self, result)
        await self.end(pod, exit_code=0, message=Termination(result=result).encode())

    async def evict(self, pod: Json) -> None:
        """Somebody drains the node: the pod ends early, and it is not its fault."""
        await self.end(pod, exit_code=ExitCode.TRY_AGAIN, disrupted=True)

    async def exhaust(self, pod: Json) -> None:
        """The pod needs more memory than it has."""
        await self.end(pod, exit_code=137, reason="OOMKilled")

    # What came of it.

    def outcome(self) -> Json:
        """Everything that has to be the same however the run was disturbed: without times and generated names."""
        kept = {"status": self.status, "finalizers": (self.job or {}).get("metadata", {}).get("finalizers", [])}
        text = re.sub(r'"observedSpec": "\w+"', '"observedSpec": "<hash>"', json.dumps(kept))
        for number, key in enumerate(dict.fromkeys(KEY.findall(text))):
            text = text.replace(key, f"<key {number}>")
        text = text.replace(self.world.namespace, "<namespace>").replace(self.name, "<name>")
        text = re.sub(r"(<name>-\w+-<key \d+>-\d+)-\w{5}", r"\1-<pod>", text)
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text)
        text = UID.sub("<uid>", text)
        text = re.sub(r'"(activeSeconds|estimateErrorSeconds)": \d+', r'"\1": "<seconds>"', text)
        return {
            **json.loads(text),
            "there": self.job is not None,
            "jobs": sorted(_attempt(job) for job in self.jobs.values()),
            "pods": sorted(_attempt(pod) for pod in self.pods.values()),
            "live": sorted(_attempt(job) for uid, job in self.jobs.items() if uid not in self.gone and not _over(job)),
            "store": self.world.kept(self),
        }


@dataclass
class World:
    """The namespace, its runs, and what their pods print."""

    http: aiohttp.ClientSession
    namespace: str
    store: Path
    uids: dict[str, str]
    """Filled with the name of the run by the uid of each of its children."""
    logs: dict[str, str]
    """Filled with what pods print, by their names."""
    runs: dict[str, Run] = field(default_factory=dict)
    goes_on_since: float = 0.0
    """Since when runs are no longer held at a call, on the monotonic clock; in the future while they are."""
    on_divergence: Callable[[Run], None] = field(default=lambda _: None)
    """Called when a run's script leaves what every run has in common."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def ready(self) -> None:
        """Waits for what pods need in the namespace."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        while (await self.call("GET", path)).get("kind") != "ServiceAccount":  # noqa: ASYNC110 - it is asked for
            await asyncio.sleep(0.05)

    def run(self, name: str) -> Run:
        """A new run; its name holds no hyphen."""
        run = self.runs[name] = Run(self, name)
        return run

    def path(self, plural: str, name: str = "", sub: str = "") -> str:
        """Of something in the namespace."""
        parts = (KINDS[plural], "namespaces", self.namespace, plural, name, sub)
        return "/".join(part for part in parts if part)

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Asks the API server."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        async with self.http.request(method, path, json=body, headers={"Content-Type": kind}) as answer:
            said: Json = await answer.json()
            if not answer.ok and not (answer.status == 404 and method != "POST"):
                raise AssertionError(f"{method} {path}: {said.get('message')}")
            return said

    async def write_pod(self, pod: Json, phase: str, state: Json, *conditions: Json) -> None:
        """The kubelet's report. Conditions are added to those that the pod has."""
        status = kubelet_report(phase, state)
        if conditions:
            status["conditions"] = [*pod["status"].get("conditions", ()), *conditions]
        await self.call("PATCH", self.path("pods", pod["metadata"]["name"], "status"), {"status": status})

    def lay(self, run: Run, result: StageResult) -> None:
        """Puts a stage's result into the store, where the first one stays."""
        assert run.job
        uid = run.job["metadata"]["uid"]
        prefix = stage_prefix(stage=result.stage, namespace=self.namespace, name=run.name, uid=uid, key=result.key)
        file = self.store / result_path(prefix)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(result.model_dump_json())

    def kept(self, run: Run) -> Json:
        """How many keys' results the store holds, by stage."""
        uids = {each["metadata"]["ownerReferences"][0]["uid"] for each in run.jobs.values()}
        return {
            stage.value: sum(
                len(list((self.store / self._folder(run, stage, uid)).glob("*/result.json"))) for uid in uids
            )
            for stage in StageName
        }

    def _folder(self, run: Run, stage: StageName, uid: str) -> str:
        return job_prefix(stage=stage, namespace=self.namespace, name=run.name, uid=uid)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator["World"]:
        """Sees everything for as long as the context lasts."""
        watches = [asyncio.create_task(self._watch(plural)) for plural in KINDS]
        try:
            yield self
        finally:
            for task in (*watches, *self._tasks):
                task.cancel()
            await asyncio.gather(*watches, *self._tasks, return_exceptions=True)

    async def _watch(self, plural: str) -> None:
        """From an empty namespace on, so nothing has to be listed; a watch that ends is resumed."""
        position = (await self.call("GET", self.path(plural)))["metadata"]["resourceVersion"]
        while True:
            query = {"watch": "true", "resourceVersion": position, "timeoutSeconds": "3600"}
            async with self.http.get(self.path(plural), params=query) as answer:
                async for line in answer.content:
                    event = json.loads(line)
                    position = event["object"]["metadata"]["resourceVersion"]
                    self._saw(plural, event["type"], event["object"])

    def _saw(self, plural: str, kind: str, obj: Json) -> None:
        metadata = obj["metadata"]
        name = obj["involvedObject"]["name"] if plural == "events" else metadata["name"]
        run = self.runs.get(name.partition("-")[0])
        if run is None:
            return
        self.uids[metadata["uid"]] = run.name
        run.saw(plural, kind, obj)
        if plural == "pods" and kind != "DELETED" and "deletionTimestamp" in metadata:
            self._later(self._bury(obj))

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bury(self, pod: Json) -> None:
        """What a kubelet does with a pod that is deleted: ends it, says so, and lets it go."""
        if pod["status"]["phase"] not in {"Succeeded", "Failed"}:
            ended = {"exitCode": int(ExitCode.TRY_AGAIN), "reason": "Error", "startedAt": _now(), "finishedAt": _now()}
            await self.write_pod(pod, "Failed", {"terminated": ended})
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        await self.call("DELETE", self.path("pods", pod["metadata"]["name"]), body)


def _over(job: Json) -> bool:
    """Whether a Job runs no more pods."""
    ended = {c["type"] for c in job.get("status", {}).get("conditions", ()) if c["status"] == "True"}
    return bool(ended & {"Complete", "Failed", "FailureTarget"}) or "deletionTimestamp" in job["metadata"]


def _attempt(obj: Json) -> str:
    labels = obj["metadata"]["labels"]
    return f"{labels[STAGE_LABEL]} {labels[ATTEMPT_LABEL]}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
