"""A stage whose Job is under way: what its pod tells, or what keeps it from having one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pointcloud_operator.model import diagnosis
from pointcloud_operator.model.decision import FetchWarnings, TailLog, Want
from pointcloud_operator.model.observed import EventView, JobView, Observed, PodView
from pointcloud_operator.model.plan import PlannedStage
from pointcloud_operator.model.telling import Telling

QUIET: Final = timedelta(seconds=5)
"""How long a Job may have no pod, or a pod no container, before its Events are read for the reason."""
EVENTS_INTERVAL: Final = timedelta(seconds=10)
"""How often they are read again while it waits."""


@dataclass
class Follower:
    """Looks at one Job that is neither complete nor failed, and tells."""

    observed: Observed
    telling: Telling
    wants: list[Want]
    now: datetime

    def follow(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> None:
        """Tells how the stage is getting on."""
        if child.queued:
            why = diagnosis.queued(stage.name, self.telling.job.spec.queue_name or "of Kueue's choice")
            self.telling.keep(stage.name, why.text, reason=why.reason, kind="Normal")
            return
        running = next((pod for pod in reversed(pods) if pod.running), None)
        if running:
            self.wants.append(TailLog(pod=running.name, uid=running.uid))
            self.telling.run(stage.name, running, self.observed.progress.get(running.uid), failures=child.failures)
        elif blocked := diagnosis.waiting(stage.name, pods, self._warnings(child, pods)):
            self.telling.keep(stage.name, blocked.text, reason=blocked.reason)
        elif pods and pods[-1].ended:
            self._between_pods(stage, child, pods)
        else:
            self.telling.expect(stage.name)

    def _between_pods(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> None:
        """The last pod has ended. Mostly the Job's verdict follows at once, so the status is left as it is at first."""
        settled_at = (pods[-1].finished_at or pods[-1].created) + QUIET
        if self.telling.asked_anew or pods[-1].disruption:
            self.telling.expect(stage.name)
        if pods[-1].disruption:
            return
        if self.now < settled_at:
            self.telling.wake(settled_at)
        elif pods[-1].phase == "Failed":
            why = diagnosis.failure(stage.name, child, pods)
            self.telling.keep(stage.name, why.trying_again, reason=why.reason)

    def _warnings(self, child: JobView, pods: Sequence[PodView]) -> tuple[EventView, ...]:
        """Warning Events about what has been quiet for too long: quota, webhooks and mounts speak only there."""
        pod = next((pod for pod in reversed(pods) if pod.phase == "Pending"), None)
        if pods and pod is None:
            return ()
        uid, since = (pod.uid, pod.scheduled_at) if pod else (child.uid, child.created)
        if since is None:
            return ()
        if self.now < since + QUIET:
            self.telling.wake(since + QUIET)
            return ()
        self.telling.wake(self.now + EVENTS_INTERVAL)
        if uid not in self.observed.warnings:
            self.wants.append(FetchWarnings(uid))
        return tuple(event for event in self.observed.warnings.get(uid, ()) if event.at >= since)
