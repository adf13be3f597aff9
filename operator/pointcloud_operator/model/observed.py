"""What was seen of a PointcloudJob's children: the few facts of a Job, a Pod or an Event that decisions rest on.

Objects come as the API server's JSON. Typed models of the official client would be most of the operator's memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from pointcloud_api.names import ATTEMPT_LABEL, KEY_LABEL, STAGE_LABEL
from pointcloud_api.stages import Progress, StageResult, Termination

Object = Mapping[str, Any]
"""A Kubernetes object as parsed JSON."""

CONTAINER = "stage"
"""Name of the one container of a stage's pod."""
KILLED_EXIT_CODE = 137
"""SIGKILL: by the kernel for memory (`exit_reason` is then OOMKilled), or by a node that goes down."""
SCRATCH_VOLUME = "scratch"
"""Name of the volume on which it works."""
KUBERNETES_RETRY_LIMIT = 6
"""The backoffLimit of a Job that states none."""
MAX_MESSAGE = 4096
"""Characters that are looked at of a message of Kubernetes': a registry or a runtime may say much more."""
SOURCE_VOLUME = "source"
"""Name of the volume with the user's photos, where they are in one."""


@dataclass(frozen=True)
class Fact:
    """A reason for machines and a sentence for people, as Kubernetes gives them."""

    reason: str
    message: str


@dataclass(frozen=True)
class JobView:
    """A batch/v1 Job."""

    name: str
    uid: str
    stage: str
    key: str
    attempt: int
    created: datetime
    deleting: bool
    complete: bool
    failed: Fact | None
    """The Failed condition, when it is true."""
    failures: int
    """Pods that failed and count: the Job controller leaves out those that were disrupted."""
    retry_limit: int
    """How many may fail before it does: its backoffLimit."""
    queued: bool
    """Whether it is suspended, which Kueue alone does to a Job."""

    @classmethod
    def of(cls, job: Object) -> "JobView":
        """The view of a Job that this operator made."""
        metadata = job["metadata"]
        labels = metadata.get("labels", {})
        conditions = _true_conditions(job)
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            stage=labels.get(STAGE_LABEL, ""),
            key=labels.get(KEY_LABEL, ""),
            attempt=int(labels.get(ATTEMPT_LABEL, "1")),
            created=_time(metadata["creationTimestamp"]),
            deleting="deletionTimestamp" in metadata,
            complete="Complete" in conditions,
            failed=conditions.get("Failed"),
            failures=job.get("status", {}).get("failed", 0),
            retry_limit=job.get("spec", {}).get("backoffLimit", KUBERNETES_RETRY_LIMIT),
            queued=job.get("spec", {}).get("suspend", False),
        )

    @property
    def live(self) -> bool:
        """Whether it may still run pods."""
        return not (self.deleting or self.complete or self.failed)


@dataclass(frozen=True)
class PodView:
    """A Pod of a stage's Job, with the state of its one container."""

    name: str
    uid: str
    created: datetime
    phase: str
    status: Fact
    """The pod's own reason and message, such as Evicted; empty where there is none."""
    node: str
    """Empty until it is scheduled."""
    deletion: datetime | None
    """When its grace period ends or has ended, if it is being deleted."""
    disruption: Fact | None
    """The DisruptionTarget condition, when it is true: who takes the pod away, and why."""
    unschedulable: Fact | None
    """Why it is on no node, once the scheduler has tried or something forbids it to."""
    scheduled_at: datetime | None
    waiting: Fact | None
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    exit_reason: str
    """Why the container ended in the runtime's words: OOMKilled, Error, Completed."""
    image: str
    requests: Mapping[str, str]
    """What the scheduler sets aside, by resource; the API server has filled in the limits where nothing was said."""
    memory_limit: str
    scratch_size: str
    """Size limit of its scratch volume."""
    node_selector: Mapping[str, str]
    """Labels that its node must carry."""
    claim: str
    """The PersistentVolumeClaim that it mounts; empty: none."""
    termination: Termination
    last_words: str
    """The end of its log, where it failed without a termination message (FallbackToLogsOnError)."""

    @classmethod
    def of(cls, pod: Object) -> "PodView":
        """The view of a Pod."""
        metadata, status = pod["metadata"], pod.get("status", {})
        scheduled = _find(status.get("conditions"), "type", "PodScheduled")
        bound = scheduled.get("status") == "True"
        refused = scheduled.get("status") == "False"
        container = _find(status.get("containerStatuses"), "name", CONTAINER)
        state = container.get("state", {})
        ended = state.get("terminated", {})
        pod_spec = pod.get("spec", {})
        spec = _find(pod_spec.get("containers"), "name", CONTAINER)
        resources = spec.get("resources", {})
        scratch = _find(pod_spec.get("volumes"), "name", SCRATCH_VOLUME)
        source = _find(pod_spec.get("volumes"), "name", SOURCE_VOLUME)
        termination = _termination(ended.get("message", ""))
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            created=_time(metadata["creationTimestamp"]),
            phase=status.get("phase", "Pending"),
            status=_fact(status),
            node=pod_spec.get("nodeName", ""),
            deletion=_optional_time(metadata.get("deletionTimestamp")),
            disruption=_true_conditions(pod).get("DisruptionTarget"),
            unschedulable=_fact(scheduled) if refused else None,
            scheduled_at=_optional_time(scheduled.get("lastTransitionTime")) if bound else None,
            waiting=_fact(state["waiting"]) if "waiting" in state else None,
            started_at=_optional_time(state.get("running", ended).get("startedAt")),
            finished_at=_optional_time(ended.get("finishedAt")),
            exit_code=ended.get("exitCode"),
            exit_reason=ended.get("reason", ""),
            image=spec.get("image", ""),
            requests={name: str(amount) for name, amount in resources.get("requests", {}).items()},
            memory_limit=str(resources.get("limits", {}).get("memory", "")),
            scratch_size=str(scratch.get("emptyDir", {}).get("sizeLimit", "")),
            node_selector=pod_spec.get("nodeSelector", {}),
            claim=source.get("persistentVolumeClaim", {}).get("claimName", ""),
            termination=termination,
            last_words="" if termination != Termination() else ended.get("message", ""),
        )

    @property
    def running(self) -> bool:
        """Whether its container runs, so that its log grows."""
        return self.started_at is not None and self.exit_code is None and self.phase == "Running"

    @property
    def ended(self) -> bool:
        """Whether it has run to its end, good or bad."""
        return self.phase in {"Succeeded", "Failed"}


@dataclass(frozen=True)
class EventView:
    """A core/v1 Event that warns about a Job or a Pod."""

    reason: str
    message: str
    at: datetime

    @classmethod
    def of(cls, event: Object) -> "EventView":
        """The view of an Event; its time is when it was last seen."""
        series = event.get("series") or {}
        at = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
        return cls(
            reason=event.get("reason", ""),
            message=event.get("message", ""),
            at=_time(at or event["metadata"]["creationTimestamp"]),
        )


@dataclass(frozen=True)
class Absent:
    """The store was asked and has no such result."""


@dataclass(frozen=True)
class Unavailable:
    """The store could not be asked."""

    message: str


StoreAnswer = StageResult | Absent | Unavailable


@dataclass(frozen=True)
class Observed:
    """Everything seen of one PointcloudJob's children."""

    jobs: tuple[JobView, ...] = ()
    pods: Mapping[str, tuple[PodView, ...]] = field(default_factory=dict)
    """By the uid of their Job, oldest first."""
    read: frozenset[str] = frozenset()
    """Uids of the Jobs whose pods were read just now: those of others are as late as the watch that brings them."""
    progress: Mapping[str, Progress] = field(default_factory=dict)
    """The last progress that each pod's log told, by the pod's uid."""
    results: Mapping[str, StoreAnswer] = field(default_factory=dict)
    """What the store answered, by the path of the result asked for."""
    warnings: Mapping[str, tuple[EventView, ...]] = field(default_factory=dict)
    """Warning Events about a Job or Pod, by its uid, where they were asked for."""
    refusal: Fact | None = None
    """Why the current stage's Job could not be created when it was tried last."""
    erased: frozenset[str] = frozenset()
    """Folders of the store that this process has removed for this PointcloudJob."""
    erase_refusal: Fact | None = None
    """Why a folder could not be removed when it was tried last."""
    progress_written: datetime | None = None
    """When progress was last written to the status, as far as this process knows."""

    def job(self, name: str) -> JobView | None:
        """The Job of that name, or None."""
        return next((job for job in self.jobs if job.name == name), None)

    def pods_of(self, job: JobView) -> tuple[PodView, ...]:
        """The Job's pods, oldest first."""
        return self.pods.get(job.uid, ())


def _true_conditions(obj: Object) -> dict[str, Fact]:
    conditions = obj.get("status", {}).get("conditions", [])
    return {c["type"]: _fact(c) for c in conditions if c["status"] == "True"}


def _find(entries: Sequence[Object] | None, field_name: str, value: str) -> Object:
    """The list's entry of that name or type, an empty one where there is none."""
    return next((entry for entry in entries or () if entry[field_name] == value), {})


def _fact(entry: Object) -> Fact:
    return Fact(reason=entry.get("reason") or "", message=(entry.get("message") or "")[:MAX_MESSAGE])


def _termination(message: str) -> Termination:
    """An empty one where the message is not ours: the kubelet writes its own when it cannot start a container."""
    try:
        return Termination.model_validate_json(message)
    except ValidationError:
        return Termination()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _optional_time(text: str | None) -> datetime | None:
    return _time(text) if text else None
