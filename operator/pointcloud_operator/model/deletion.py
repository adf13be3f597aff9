"""The end of a PointcloudJob whose artefacts go with it: its Jobs first, then its folders in the store, then itself.

The finalizer that makes it wait for that never waits for ever: when the time that the install gives is over, or the
policy is Retain after all, it is taken away whatever is left, and an Event names the folders. An operator that was away
for all of that time asks the store once all the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal

from pointcloud_api.names import ARTEFACTS_FINALIZER, StageName, job_prefix
from pointcloud_api.resource import DeletionPolicy, ObjectMeta, PointcloudJob
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.decision import ARTEFACTS_LEFT, Decision, JobReference, Note
from pointcloud_operator.model.disruptions import silent
from pointcloud_operator.model.observed import Observed

UNSEEN: Final = timedelta(seconds=5)
"""How long a cache may not show a Job that was made just before."""
SOON: Final = timedelta(seconds=1)
"""When to look whether Jobs and artefacts are gone, where nothing tells of it."""
INTERVAL: Final = timedelta(seconds=5)
"""How often a store that does not remove something is asked again."""


def finalizer(job: PointcloudJob) -> bool | None:
    """Whether a PointcloudJob that is not being deleted is to get our finalizer, or to lose it; None: as it is."""
    wanted, there = _deletes(job), ARTEFACTS_FINALIZER in job.metadata.finalizers
    return None if wanted == there else wanted


def leave(job: PointcloudJob, observed: Observed, config: InstallConfig, now: datetime) -> Decision:
    """What to do for a PointcloudJob that is being deleted: without our finalizer, nothing."""
    asked = job.metadata.deletion_timestamp
    if asked is None or ARTEFACTS_FINALIZER not in job.metadata.finalizers:
        return Decision(status=job.status)
    left = tuple(folder for folder in _folders(job.metadata) if folder not in observed.erased)
    deadline = asked + timedelta(seconds=config.artefact_deletion_seconds)
    if not _deletes(job):
        return _release(job, *_left_note("Normal", left, f"Kept in the store, as asked: {', '.join(left)}"))
    at_work, overdue = _at_work(observed), now >= deadline
    if overdue and (at_work or observed.erase_refusal):
        return _release(job, *_left_note("Warning", left, _why_left(left, observed, config)))
    again = now + (INTERVAL if observed.erase_refusal else SOON)
    waiting = Decision(status=job.status, wake_at=again if overdue else min(deadline, again))
    jobs = _jobs(job, observed, now)
    if jobs or at_work:
        return replace(waiting, delete=jobs, abandon=silent(observed, config, now))
    return replace(waiting, erase=left) if left else _release(job)


def _deletes(job: PointcloudJob) -> bool:
    return job.spec.output.deletion_policy is DeletionPolicy.DELETE


def _release(job: PointcloudJob, *notes: Note) -> Decision:
    return Decision(status=job.status, finalizer=False, notes=notes)


def _left_note(kind: Literal["Normal", "Warning"], left: Sequence[str], message: str) -> tuple[Note, ...]:
    return (Note(kind, ARTEFACTS_LEFT, message),) if left else ()


def _folders(metadata: ObjectMeta) -> tuple[str, ...]:
    return tuple(
        job_prefix(stage=stage, namespace=metadata.namespace, name=metadata.name, uid=metadata.uid)
        for stage in StageName
    )


def _jobs(job: PointcloudJob, observed: Observed, now: datetime) -> tuple[JobReference, ...]:
    """The Jobs that are to go: while their owner is there, nobody else collects them."""
    live = tuple(JobReference(each.name, each.uid) for each in observed.jobs if each.live)
    asked = job.metadata.deletion_timestamp
    if asked is None or now >= asked + UNSEEN:
        return live
    intended = (stage.job for stage in job.status.stages if stage.job and not stage.phase.terminal)
    return (*live, *(JobReference(name, None) for name in intended if observed.job(name) is None))


def _at_work(observed: Observed) -> bool:
    """Whether a pod may still write to the store."""
    ending = any(job.deleting and not (job.complete or job.failed) for job in observed.jobs)
    return ending or any(not pod.ended for pods in observed.pods.values() for pod in pods)


def _why_left(left: Sequence[str], observed: Observed, config: InstallConfig) -> str:
    refusal = observed.erase_refusal
    why = "pods of this PointcloudJob do not end" if _at_work(observed) or refusal is None else refusal.message
    seconds = config.artefact_deletion_seconds
    return f"Left in the store after {seconds} s: {', '.join(left)}, because {why}. Remove what lies there by hand."
