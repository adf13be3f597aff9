"""One retry budget over all stages and attempts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointcloud_api.names import StageName
from pointcloud_api.resource import Phase
from pointcloud_api.stages import Reason, StageError, Termination
from tests.unit.operator.builders import CONFIG
from tests.unit.operator.cluster import Child
from tests.unit.operator.world import World

LIMIT = CONFIG.retry_limit


def phase(world: World) -> Phase | None:
    return world.status.phase


def budget(world: World) -> int:
    """What the Job that may still run is given."""
    (child,) = world.live()
    return int(child.job["spec"]["backoffLimit"])


def fail(world: World, child: Child, *, reason: Reason | None = None) -> None:
    """The pod fails, and what a try costs is the Job controller's to say."""
    if child.pod is None or child.pod.ended:
        child.expect(world.now)
    world.start(child)
    world.step()
    error = StageError(reason=reason, message="it went wrong", remedy="do better") if reason else None
    child.end(world.now, exit_code=75, termination=Termination(error=error))
    child.control(world.now)


def used(world: World) -> list[int]:
    return [stage.retries for stage in world.status.stages]


def test_a_job_is_given_what_the_spec_or_the_install_allows() -> None:
    for spec, limit in (({}, LIMIT), ({"retryLimit": 0}, 0), ({"retryLimit": 7}, 7)):
        world = World(spec)
        world.step()
        assert budget(world) == limit


def test_what_one_stage_has_used_the_next_does_not_have() -> None:
    world = World()
    world.step()
    (child,) = world.live()
    fail(world, child)
    assert world.step().status.stages[0].retries == 0, "it is recorded once the attempt ends"
    world.complete()
    child.pods.pop()
    child.expect(world.now)
    child.failed = ""
    world.finish(child)
    child.complete = True
    world.step()
    assert used(world) == [1, 0]
    assert budget(world) == LIMIT - 1


def test_a_job_that_is_made_again_has_the_same_budget() -> None:
    world = World()
    world.step()
    (child,) = world.live()
    fail(world, child)
    world.step()
    del world.children[child.name]
    assert world.step().create == child.job


def test_the_last_failure_ends_the_job_with_all_of_them_counted() -> None:
    world = World()
    world.step()
    (child,) = world.live()
    for _ in range(LIMIT + 1):
        assert phase(world) is not Phase.FAILED
        fail(world, child)
    world.step()
    assert phase(world) is Phase.FAILED
    assert used(world) == [LIMIT + 1]
    settled = world.status
    assert world.step().status == settled


def test_a_suspended_attempt_keeps_what_it_has_used() -> None:
    world = World()
    world.step()
    (child,) = world.live()
    fail(world, child)
    world.change(suspend=True)
    world.step()
    assert used(world) == [1]
    world.step()
    world.change(suspend=False)
    world.step()
    assert (used(world), budget(world)) == ([1], LIMIT - 1)


@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone"])
def test_a_try_counts_whether_its_pod_is_there_or_the_job_alone_knows_of_it(*, gone: bool) -> None:
    world = World()
    world.step()
    (child,) = world.live()
    fail(world, child)
    if gone:
        child.pods = []
    else:
        child.failures = 0
    world.change(suspend=True)
    world.step()
    assert used(world) == [1]


def test_too_little_memory_is_no_retry_but_what_failed_before_it_is() -> None:
    world = World()
    world.step()
    world.complete()
    world.step()
    (child,) = world.live()
    fail(world, child)
    child.expect(world.now)
    world.start(child)
    child.end(world.now, exit_code=137, exit_reason="OOMKilled")
    for counted in (False, True):
        if counted:
            child.control(world.now)
            assert child.failures == 2
        decision = world.decide()
        assert [stage.retries for stage in decision.status.stages] == [0, 1], counted
    world.step()
    assert budget(world) == LIMIT - 1


def test_missing_what_the_stage_before_left_is_no_retry_and_the_budget_stays_one() -> None:
    world = World()
    world.step()
    (child,) = world.live()
    fail(world, child)
    child.expect(world.now)
    world.finish(child)
    child.control(world.now)
    world.step()
    assert used(world) == [1, 0]
    (child,) = world.live()
    fail(world, child, reason=Reason.UPSTREAM_MISSING)
    world.step()
    assert used(world) == [1, 0]
    assert budget(world) == LIMIT - 1


def test_another_run_has_its_own_budget() -> None:
    world = World()
    world.step()
    (child,) = world.live()
    for _ in range(LIMIT + 1):
        fail(world, child)
    world.step()
    world.change(stages={"ingest": {"nodeSelector": {"disk": "fast"}}})
    world.step()
    assert (used(world), budget(world)) == ([0], LIMIT)


def test_a_limit_raised_while_a_stage_runs_gives_another_attempt_what_is_left() -> None:
    world = World({"retryLimit": 1})
    world.step()
    (child,) = world.live()
    fail(world, child)
    child.expect(world.now)
    world.start(child)
    world.step()
    world.change(retryLimit=4)
    world.step()
    assert world.live() == [child], "it goes on"
    fail(world, child)
    assert child.failed == "BackoffLimitExceeded"
    world.step()
    assert (used(world), budget(world)) == ([2], 2)


def test_a_limit_lowered_while_a_stage_runs_holds_from_its_next_failure_on() -> None:
    world = World({"retryLimit": 5})
    world.step()
    (child,) = world.live()
    fail(world, child)
    child.expect(world.now)
    world.start(child)
    world.step()
    world.change(retryLimit=1)
    world.step()
    assert phase(world) is Phase.RUNNING
    fail(world, child)
    world.step()
    assert phase(world) is Phase.FAILED
    assert child.deleting


@settings(deadline=None)
@given(
    limit=st.integers(0, 5),
    fates=st.lists(st.sampled_from(["fails", "succeeds", "is suspended", "vanishes"]), max_size=30),
)
def test_never_more_tries_fail_than_the_budget_and_one(limit: int, fates: list[str]) -> None:
    """Whatever else happens in between: only a Job that somebody deletes takes what it has used with it."""
    world, failed = World({"retryLimit": limit}), 0
    for fate in fates:
        world.step()
        if not world.live():
            break
        (child,) = world.live()
        match fate:
            case "fails":
                fail(world, child)
                failed += 1
            case "succeeds":
                if child.pod is None or child.pod.ended:
                    child.expect(world.now)
                world.finish(child)
                child.control(world.now)
            case "is suspended":
                world.change(suspend=True)
                world.step()
                world.change(suspend=False)
            case "vanishes":
                failed -= child.failures
                del world.children[child.name]
        world.step()
        assert sum(used(world)) <= limit + 1
    assert failed <= limit + 1
    world.run_until_quiet()
    assert phase(world) is (Phase.FAILED if failed > limit else Phase.SUCCEEDED)
    assert world.stage(StageName.INGEST).retries >= 0
