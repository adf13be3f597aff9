"""The one exception by which a stage program, or this library, ends a stage with words for the user."""

import errno

from pointcloud_api.stages import ExitCode, Reason, StageError
from pointcloud_stage.limits import memory_limit


class StageFailure(Exception):  # noqa: N818 - Kubernetes says that a Job fails, not that it errs
    """Ends the stage: `message` says in one sentence what is wrong, `remedy` in one what to do next."""

    def __init__(self, reason: Reason, message: str, remedy: str, *, exit_code: ExitCode = ExitCode.BAD_DATA) -> None:
        super().__init__(message)
        self.error = StageError(reason=reason, message=message, remedy=remedy)
        self.exit_code = exit_code


def out_of_memory() -> StageFailure:
    """More memory was needed than the container has."""
    limit = memory_limit()
    bound = f"its limit of {limit / 2**30:.1f} GiB of memory" if limit else "the memory of its node"
    return StageFailure(
        Reason.OUT_OF_MEMORY,
        f"The stage needed more than {bound}.",
        "Raise spec.stages.<stage>.resources.limits.memory, or ask for less: a lower quality or fewer photos.",
        exit_code=ExitCode.NEEDS_MORE,
    )


def failure_of(error: BaseException) -> StageFailure:
    """What an exception that reached the top of a stage means to the user."""
    if isinstance(error, StageFailure):
        return error
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StageFailure(
            Reason.OUT_OF_SCRATCH,
            "The stage's scratch volume is full.",
            "Raise the stage's scratchSize in the install's values, or give fewer or smaller photos.",
            exit_code=ExitCode.NEEDS_MORE,
        )
    if isinstance(error, MemoryError):
        return out_of_memory()
    return StageFailure(
        Reason.INTERNAL,
        f"The stage ended on a defect of its program: {type(error).__name__}: {error}",
        "Read the stage's log; if it does not explain itself, report the defect with that log.",
        exit_code=ExitCode.INTERNAL,
    )
