"""When a job will probably have ended, and how wrong that may be.

The pace of the pod that runs says most: photos of one job are alike, and so is their share of a stage's time. What it
did not have to do, because an earlier pod left it, took no time and is not counted. While that pod has done little, the
pace of all pods of the run is told from. The errors come from recorded runs (tests/fixtures/traces.py): four of five
times and more the end lies within.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_api.resource import ProgressStatus, StageStatus
from pointcloud_api.stages import PROGRESS_WEIGHTS, Progress

FIRST: Final = timedelta(minutes=1)
"""Of a run's work, in which nothing is estimated."""
_LEAST_PERCENT: Final = 1.0
"""Of the whole job, from less of which nothing is told."""
_ENOUGH: Final = 5.0
"""Percent of the whole job that a pod must have done for its pace to tell more than that of the run."""
_LEAST_ERROR: Final = timedelta(seconds=15)
_ERRORS: Final = ((20, 1.2), (40, 1.0), (60, 0.5), (85, 0.45), (95, 0.65), (100, 1.0))
"""Up to a percentage of the whole job, the error as a part of the time that is left. The last steps are short, and of
some photos mapping takes twice the time that it takes of others."""
_NEWS: Final = 4
"""An estimate is news when it differs by more than this part of its error."""


@dataclass(frozen=True)
class Work:
    """What pods did in some time."""

    time: timedelta
    percent: float
    """Of the whole job."""

    def __add__(self, other: "Work") -> "Work":
        return Work(self.time + other.time, self.percent + other.percent)


@dataclass(frozen=True)
class Estimate:
    """When, and how far off that may be in both directions."""

    completion: datetime
    """In whole seconds."""
    error: timedelta
    """In whole seconds."""

    def on(self, progress: ProgressStatus) -> ProgressStatus:
        """The progress, with this estimate."""
        seconds = int(self.error.total_seconds())
        update = {"estimated_completion_time": self.completion, "estimate_error_seconds": seconds}
        return progress.model_copy(update=update)

    @classmethod
    def shown(cls, progress: ProgressStatus | None) -> "Estimate | None":
        """What a status shows."""
        if progress is None or progress.estimated_completion_time is None:
            return None
        error = timedelta(seconds=progress.estimate_error_seconds or 0)
        return cls(progress.estimated_completion_time, error)

    def news_after(self, shown: "Estimate | None", now: datetime) -> "Estimate":
        """This, unless what is shown says nearly the same and lies ahead."""
        if shown is None or shown.completion <= now or 2 * self.error < shown.error:
            return self
        moved = abs(self.completion - shown.completion)
        return self if moved > min(self.error, shown.error) / _NEWS else shown


def work_before(stages: Iterable[StageStatus], since: datetime | None) -> Work:
    """What the stages that have ended did, of those that have begun `since` the run did."""
    work = Work(timedelta(0), 0)
    for stage in stages:
        if since and stage.start_time and stage.completion_time and stage.start_time >= since:
            work += Work(stage.completion_time - stage.start_time, PROGRESS_WEIGHTS[stage.name])
    return work


def work_of_pod(stage: StageName, told: Progress, time: timedelta) -> Work:
    """What the pod did that runs for that time."""
    return Work(time, PROGRESS_WEIGHTS[stage] * (told.percent - told.spared) / 100)


def estimate(now: datetime, *, before: Work, pod: Work, percent: float) -> Estimate | None:
    """The estimate, None while there is too little to tell it from.

    Args:
        now: The time.
        before: What the run's earlier stages did.
        pod: What the pod that runs did.
        percent: Of the whole job, done by now.
    """
    run = before + pod
    if run.time < FIRST or run.percent < _LEAST_PERCENT:
        return None
    pace = pod if pod.percent >= _ENOUGH else run
    left = pace.time / pace.percent * (100 - percent)
    part = next(part for up_to, part in _ERRORS if percent <= up_to)
    return Estimate(now + _rounded_up(left), _rounded_up(max(left * part, _LEAST_ERROR)))


def _rounded_up(time: timedelta) -> timedelta:
    """To whole seconds, one at least: an end that is to come is never now."""
    return timedelta(seconds=max(1, math.ceil(time / timedelta(seconds=1))))
