"""How far a PointcloudJob is, from the lines that its stage pods print."""

from pydantic import ValidationError

from pointcloud_api.names import StageName
from pointcloud_api.stages import PROGRESS_WEIGHTS, Progress, ProgressLine, percent_before


def last_progress(log: str, *, pod_uid: str) -> Progress | None:
    """The last progress line in the tail of a pod's log, None where there is none.

    A line counts only with the pod's uid as its nonce: whatever else a stage prints, a file's name for one, does not
    know it.
    """
    for line in reversed(log.splitlines()):
        if not line.startswith('{"progress"'):
            continue
        try:
            progress = ProgressLine.model_validate_json(line).progress
        except ValidationError:
            continue
        if progress.nonce == pod_uid:
            return progress
    return None


def overall_percent(stage: StageName, of_stage: int) -> int:
    """Percent of the whole job, given the stage it is in and the percent of that."""
    return percent_before(stage) + PROGRESS_WEIGHTS[stage] * of_stage // 100


def sentence(progress: Progress) -> str:
    """Progress in words, such as "match: 40 of 153 pairs"."""
    of_total = "" if progress.total is None else f" of {progress.total}"
    return f"{progress.step}: {progress.done}{of_total} {progress.unit}".rstrip()
