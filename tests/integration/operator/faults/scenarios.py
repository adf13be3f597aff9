"""Whole lives of PointcloudJobs, as scripts of what the user and the node do. Each ends where no more is to come."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from pointcloud_api.names import StageName
from tests.integration.operator.faults.world import Run

Scenario = Callable[[Run], Awaitable[None]]


async def straight(run: Run) -> None:
    """From photos to an address."""
    await run.submit()
    await finish(run)


async def uploaded(run: Run) -> None:
    """The photos are uploaded once the job is there, and settle before it begins."""
    await run.submit(source={"upload": {}})
    await run.until(lambda: "upload" in run.status.get("progress", {}).get("message", ""), "the wait for files")
    received = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    await run.change(source={"upload": {"revision": 1, "receivedAt": received}})
    await finish(run)


async def suspended(run: Run) -> None:
    """Suspended while it reconstructs, and resumed once the pod is gone."""
    await run.submit()
    await run.succeed(StageName.INGEST)
    run.diverge()
    pod = await run.start(StageName.RECONSTRUCT)
    await run.change(suspend=True)
    await run.phase("Suspended")
    await run.until(lambda: pod["metadata"]["uid"] in run.gone, "the pod to be gone")
    await run.change(suspend=False)
    await finish(run, StageName.RECONSTRUCT)


async def changed(run: Run) -> None:
    """The quality is changed while it reconstructs."""
    await run.submit()
    await run.succeed(StageName.INGEST)
    run.diverge()
    pod = await run.start(StageName.RECONSTRUCT)
    await run.change(reconstruction={"quality": "low"})
    await run.until(lambda: pod["metadata"]["uid"] in run.gone, "the pod to be gone")
    await finish(run, StageName.RECONSTRUCT)


async def repeated(run: Run) -> None:
    """The encoding of a finished job is changed."""
    await straight(run)
    run.diverge()
    await run.change(pointcloud={"encoding": "uncompressed"})
    await finish(run, StageName.CONVERT)


async def evicted(run: Run) -> None:
    """The node that reconstructs is drained; another pod takes over."""
    await run.submit()
    await run.succeed(StageName.INGEST)
    run.diverge()
    await run.evict(await run.start(StageName.RECONSTRUCT))
    await finish(run, StageName.RECONSTRUCT)


async def exhausted(run: Run) -> None:
    """The pod that reconstructs needs more memory than it has; the next attempt is given more."""
    await run.submit(stages={"reconstruct": {"resources": {"limits": {"memory": "1Gi"}}}})
    await run.succeed(StageName.INGEST)
    run.diverge()
    await run.exhaust(await run.start(StageName.RECONSTRUCT))
    await finish(run, StageName.RECONSTRUCT)


async def removed(run: Run) -> None:
    """A finished job is deleted, and its artefacts with it."""
    await run.submit(output={"deletionPolicy": "Delete"})
    await finish(run)
    run.diverge()
    await run.delete()


SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.__name__: scenario
    for scenario in (straight, uploaded, suspended, changed, repeated, evicted, exhausted, removed)
}


async def finish(run: Run, first: StageName = StageName.INGEST) -> None:
    """Every stage from the first one on succeeds."""
    stages = list(StageName)
    for stage in stages[stages.index(first) :]:
        await run.succeed(stage)
    await run.phase("Succeeded")
    await run.until(lambda: not run.status.get("superseded"), "the artefacts of earlier settings to be removed")
