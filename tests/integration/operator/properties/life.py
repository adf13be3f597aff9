"""One PointcloudJob that is brought to a moment, edited there, and let go on; its kubelet knows where to stop."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from pointcloud_api.names import API_VERSION, KEY_LABEL, KIND, PLURAL, STAGE_LABEL, StageName
from pointcloud_api.stages import DOCUMENT_VARIABLE, ExitCode, StageError, StageResult, Termination
from tests.integration.conftest import Json
from tests.integration.operator.faults.world import FIGURES, Run

ERROR: Final = StageError(reason="NoOverlap", message="no two photos overlap", remedy="take more photos")
WORKING: Final = {"Pending", "Running"}
"""Phases of pods that have not ended."""


class Moment(StrEnum):
    """Where a PointcloudJob is when its spec is edited."""

    AWAITING_UPLOAD = "it awaits its first file"
    PENDING = "a pod is awaited"
    INGEST = "ingest runs"
    RECONSTRUCT = "reconstruct runs"
    CONVERT = "convert runs"
    SUCCEEDED = "it has succeeded"
    FAILED = "it has failed"

    @property
    def stage(self) -> StageName | None:
        """The stage at which the kubelet stops; None: it does not."""
        match self:
            case Moment.AWAITING_UPLOAD | Moment.PENDING | Moment.INGEST:
                return StageName.INGEST
            case Moment.RECONSTRUCT | Moment.FAILED:
                return StageName.RECONSTRUCT
            case Moment.CONVERT:
                return StageName.CONVERT
            case Moment.SUCCEEDED:
                return None

    @property
    def runs(self) -> bool:
        """Whether a pod runs then."""
        return self in {Moment.INGEST, Moment.RECONSTRUCT, Moment.CONVERT}


@dataclass
class Life:
    """A PointcloudJob and its kubelet, which finishes every stage before the one of its moment."""

    run: Run
    moment: Moment
    _held: bool = True
    _met: set[str] = field(default_factory=set)
    """Uids of pods that were dealt with, or are kept at the moment."""

    # What the user does.

    async def submit(self, spec: Json) -> None:
        """Creates the PointcloudJob."""
        world = self.run.world
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": self.run.name}, "spec": spec}
        await world.call("POST", world.path(PLURAL), body)
        await self.run.until(lambda: self.run.job, "the PointcloudJob")

    async def edit(self, spec: Json) -> None:
        """Gives it another spec, and waits until the operator has answered that."""
        status, said = await self._put(spec)
        assert status == HTTPStatus.OK, said["message"]
        generation = said["metadata"]["generation"]
        await self.run.until(
            lambda: self.run.status.get("observedGeneration", 0) >= generation, f"an answer to generation {generation}"
        )

    async def refused(self, spec: Json) -> str:
        """What the API server says to a wrong spec, which it must refuse."""
        status, said = await self._put(spec)
        assert status == HTTPStatus.UNPROCESSABLE_ENTITY, (
            f"{status} for {json.dumps(spec)[:500]}: {said.get('message')}"
        )
        return str(said["message"])

    async def read(self) -> Json:
        """The PointcloudJob as the API server has it."""
        return await self.run.world.call("GET", self.run.world.path(PLURAL, self.run.name))

    async def _put(self, spec: Json) -> tuple[int, Json]:
        world = self.run.world
        path = world.path(PLURAL, self.run.name)
        while True:
            body = {**await self.read(), "spec": spec}
            async with world.http.put(path, json=body) as answer:
                if answer.status != HTTPStatus.CONFLICT:
                    return answer.status, await answer.json()

    # Where it is.

    async def arrive(self, *, suspended: bool) -> None:
        """Waits for its moment, or what a suspended one comes to instead."""
        match self.moment:
            case Moment.SUCCEEDED | Moment.FAILED:
                await self.run.phase(str(self.moment.name).capitalize())
            case _ if suspended:
                await self.run.phase("Suspended")
            case Moment.AWAITING_UPLOAD:
                await self.run.until(lambda: self._awaits() or self._kept("Pending"), str(self.moment))
            case Moment.PENDING:
                await self.run.until(lambda: self._kept("Pending"), str(self.moment))
            case _:
                await self.run.until(lambda: self._kept("Running"), str(self.moment))

    def _awaits(self) -> bool:
        return condition(self.run.status, "AwaitingUpload") == "True"

    def _kept(self, phase: str) -> Json | None:
        """The pod of the moment's stage that the status tells of."""
        record = next((each for each in self.run.status.get("stages", ()) if each["name"] == self.moment.stage), None)
        if record is None or record["phase"] != phase:
            return None
        pods = (pod for pod in self._there() if pod["metadata"]["labels"]["job-name"] == record["job"])
        return next((pod for pod in pods if pod["status"]["phase"] == phase and pod["spec"].get("nodeName")), None)

    def _there(self) -> Iterator[Json]:
        """Pods that are not on their way out."""
        for uid, pod in self.run.pods.items():
            if uid not in self.run.gone and "deletionTimestamp" not in pod["metadata"]:
                yield pod

    def at_work(self) -> set[str]:
        """Uids of what must not be disturbed: the pod of the moment, and its Job."""
        pod = self._kept("Running") or self._kept("Pending")
        return {pod["metadata"]["uid"], pod["metadata"]["ownerReferences"][0]["uid"]} if pod else set()

    def newest_job(self, stage: StageName) -> Json:
        """The stage's Job that was made last."""
        jobs = [job for job in self.run.jobs.values() if job["metadata"]["labels"][STAGE_LABEL] == stage]
        return max(jobs, key=lambda job: int(job["metadata"]["labels"]["pointcloud.stitchsketch.io/attempt"]))

    def state(self) -> Json:
        """What is the same whenever the same is asked for: without times, keys, and how it came about."""
        job, status = self.run.job or {}, self.run.status
        kept = {name: status.get(name) for name in ("phase", "stage", "url", "images", "points", "warnings")}
        stages = [{name: each.get(name) for name in ("name", "phase", "settings")} for each in status["stages"]]
        said = [
            {name: each.get(name) for name in ("type", "status", "reason", "message")} for each in status["conditions"]
        ]
        whole = {
            **kept,
            "progress": {name: status["progress"].get(name) for name in ("percent", "message")},
            "stages": stages,
            "conditions": said,
            "published": status.get("published") == status["stages"][-1]["key"],
            "observedSpec": status["observedSpec"],
            "finalizers": job["metadata"].get("finalizers", []),
        }
        state: Json = json.loads(json.dumps(whole).replace(f"/{self.run.name}/", "/name/"))
        return state

    def made_again(self) -> list[str]:
        """Names of Jobs that were made again after one of that name was complete."""
        complete: set[str] = set()
        again = []
        for job in self.run.jobs.values():
            name = job["metadata"]["name"]
            again += [name] if name in complete else []
            complete |= {name} if condition(job["status"], "Complete") else set()
        return again

    # What the kubelet does.

    async def play(self) -> None:
        """Looks after every pod until it is cancelled."""
        while True:
            if pod := self._next():
                self._met.add(pod["metadata"]["uid"])
                await self._deal_with(pod)
            else:
                await self.run.changed()

    def let_go(self) -> None:
        """From now on every stage is finished, those that were kept too."""
        self._held = False
        self._met -= {pod["metadata"]["uid"] for pod in self._there() if pod["status"]["phase"] in WORKING}
        self.run.nudge()

    def _next(self) -> Json | None:
        new = (pod for pod in self._there() if pod["metadata"]["uid"] not in self._met)
        return next((pod for pod in new if pod["spec"].get("nodeName") and pod["status"]["phase"] in WORKING), None)

    async def _deal_with(self, pod: Json) -> None:
        stage = StageName(pod["metadata"]["labels"][STAGE_LABEL])
        if not self._held or stage is not self.moment.stage:
            await self._finish(pod, stage)
        elif self.moment is Moment.FAILED:
            await self.run.end(pod, exit_code=ExitCode.BAD_DATA, message=Termination(error=ERROR).encode())
        elif self.moment.runs:
            await self.run.world.write_pod(pod, "Running", {"running": {"startedAt": "2026-05-04T12:00:00Z"}})

    async def _finish(self, pod: Json, stage: StageName) -> None:
        metadata = pod["metadata"]
        key, uid = metadata["labels"][KEY_LABEL], metadata["uid"]
        result = StageResult(stage=stage, key=key, pod_uid=uid, artefacts=(), figures=FIGURES)
        self.run.world.lay(self.run, result)
        await self.run.end(pod, exit_code=0, message=Termination(result=result).encode())


def condition(status: Json, kind: str) -> str | None:
    """Whether a condition of that type is True, False or Unknown; None where there is none."""
    return next((each["status"] for each in status.get("conditions", ()) if each["type"] == kind), None)


def document(job: Json) -> Json:
    """What a Job tells its stage."""
    told: Json = json.loads(variables(job)[DOCUMENT_VARIABLE])
    return told


def variables(job: Json) -> dict[str, str]:
    """A Job's environment variables that have a value of their own."""
    return {each["name"]: each.get("value", "") for each in pod_spec(job)["containers"][0]["env"]}


def pod_spec(job: Json) -> Json:
    """Of the pods that a Job makes."""
    spec: Any = job["spec"]["template"]["spec"]
    return dict(spec)


async def looked_after(life: Life, work: Any) -> None:
    """Does something while the kubelet looks after the pods; a failure of the kubelet is one of the work."""
    kubelet = asyncio.create_task(life.play())
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.wait({kubelet, doing}, return_when=asyncio.FIRST_COMPLETED)
        if kubelet.done():
            await kubelet
        await doing
    finally:
        for task in (kubelet, doing):
            task.cancel()
        await asyncio.gather(kubelet, doing, return_exceptions=True)
