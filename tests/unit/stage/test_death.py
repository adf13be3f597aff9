import signal

import pytest

from pointcloud_api.stages import ExitCode, Reason
from pointcloud_stage.supervisor import death


@pytest.mark.parametrize(("before", "after"), [(0, 1), (None, None)])
def test_sigkill_is_for_memory_when_the_kernel_says_so_or_nothing(before: int | None, after: int | None) -> None:
    failure = death(-signal.SIGKILL, "matching", oom_kills_before=before, oom_kills_after=after)
    assert (failure.error.reason, failure.exit_code) == (Reason.OUT_OF_MEMORY, ExitCode.NEEDS_MORE)
    assert "resources.limits.memory" in failure.error.remedy


@pytest.mark.parametrize(
    ("status", "name"), [(-signal.SIGKILL, "SIGKILL"), (-signal.SIGABRT, "SIGABRT"), (3, "exit code 3")]
)
def test_other_deaths_are_named_with_the_last_line(status: int, name: str) -> None:
    failure = death(status, "matching", oom_kills_before=2, oom_kills_after=2)
    assert (failure.error.reason, failure.exit_code) == (Reason.INTERNAL, ExitCode.INTERNAL)
    assert name in failure.error.message
    assert "matching" in failure.error.message
