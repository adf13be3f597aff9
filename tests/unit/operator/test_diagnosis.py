"""Which source speaks: what the stage said goes before what Kubernetes says of its container, its pod, its Job."""

from datetime import timedelta

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.stages import Reason, StageError, Termination
from pointcloud_operator.model import diagnosis
from pointcloud_operator.model.diagnosis import Remedied, failure, waiting
from pointcloud_operator.model.diagnosis.quoting import MAX_LAST_WORDS
from pointcloud_operator.model.observed import EventView, Fact, PodView
from tests.unit.operator.builders import NOW, bare_job, ended_pod, pod_view, text

STAGE = StageName.RECONSTRUCT
ERROR = StageError(reason="NoOverlap", message="No two photos show the same thing.", remedy="Take more photos.")


def test_what_the_stage_says_goes_before_everything() -> None:
    pods = [ended_pod(exit_code=137, reason="OOMKilled", termination=Termination(error=ERROR))]
    why = failure(STAGE, bare_job(failed="PodFailurePolicy"), pods)
    assert why.reason == "NoOverlap"
    assert why.text == "No two photos show the same thing. Take more photos."


def test_a_stages_remedy_names_the_stage_that_it_is() -> None:
    error = ERROR.model_copy(update={"remedy": "Raise spec.stages.<stage>.resources.limits.memory."})
    why = failure(STAGE, bare_job(), [ended_pod(exit_code=79, termination=Termination(error=error))])
    assert "spec.stages.reconstruct.resources.limits.memory" in why.remedy


def test_a_stage_image_of_ones_own_may_have_reasons_of_its_own_and_no_remedy() -> None:
    error = StageError(reason="LensCapOn", message="All photos are black", remedy="")
    why = failure(STAGE, bare_job(), [ended_pod(exit_code=65, termination=Termination(error=error))])
    assert why.reason == "LensCapOn"
    assert why.message == "All photos are black"
    assert "log" in why.remedy


def test_a_reason_that_no_condition_may_have_is_not_passed_on() -> None:
    error = StageError(reason="what a\nday", message="x", remedy="y")
    why = failure(STAGE, bare_job(), [ended_pod(exit_code=65, termination=Termination(error=error))])
    assert why.reason == Reason.INTERNAL


def test_the_last_try_speaks() -> None:
    first = ended_pod(exit_code=75, termination=Termination(error=ERROR), uid="a")
    last = ended_pod(exit_code=137, reason="OOMKilled", uid="b")
    assert failure(STAGE, bare_job(), [first, last]).reason == "OutOfMemory"


def test_a_pod_that_was_taken_away_does_not_speak_for_a_job_that_failed_of_its_own() -> None:
    disruption = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    later = {"terminated": {"exitCode": 137, "finishedAt": text(NOW + timedelta(hours=1))}}
    lost = pod_view(phase="Failed", conditions=(disruption,), uid="z", state=later, reason="Preempting")
    crashed = ended_pod(exit_code=139, uid="a")
    assert failure(STAGE, bare_job(), [crashed, lost]).reason == "StageCrashed"


def test_how_often_it_was_tried_is_told() -> None:
    job = bare_job()
    tried = type(job)(**{**vars(job), "failures": 3})
    why = failure(STAGE, tried, [ended_pod(exit_code=65, termination=Termination(error=ERROR))])
    assert why.message == "No two photos show the same thing. That was the last of 3 tries"


def test_out_of_memory_names_limit_and_field() -> None:
    why = failure(STAGE, bare_job(), [ended_pod(exit_code=137, reason="OOMKilled")])
    assert "its limit of 8Gi" in why.message
    assert "spec.stages.reconstruct.resources.limits.memory" in why.remedy


def test_a_container_of_which_only_a_child_was_killed_for_memory_is_not_out_of_memory() -> None:
    """The runtime says OOMKilled of a container in which any process was, even when the container did well."""
    done = ended_pod(exit_code=0, reason="OOMKilled")
    assert failure(STAGE, bare_job(failed="DeadlineExceeded"), [done]).reason == "JobFailed"


def test_a_log_that_ends_without_a_word_is_quoted() -> None:
    log = "Processing a.jpg\n\x1b[31mCheck failed: num_images > 0 (0 vs. 0)\x1b[0m \u202egpj.a\n"
    why = failure(STAGE, bare_job(), [ended_pod(exit_code=134, message=log)])
    assert "COLMAP" in why.message
    assert "Check failed: num_images > 0 (0 vs. 0)" in why.message
    assert why.text.isprintable()


def test_colours_progress_and_the_lines_of_a_stack_are_left_out() -> None:
    log = "\x1b[31mCheck failed: a > 0\x1b[0m\n*** Check failure stack trace: ***\n    @ 0x7f3a main\nPC: @ 0x0\n"
    log += '{"progress":{"nonce":"x","step":"extract","done":2,"total":20,"unit":"images","percent":8}}\n'
    why = failure(STAGE, bare_job(), [ended_pod(exit_code=134, message=log)])
    assert "its log ends with “Check failed: a > 0”" in why.message


def test_of_a_long_log_the_end_is_quoted() -> None:
    log = "\n".join(f"line {number} {'x' * 100}" for number in range(50)) + "\nthe last word"
    why = failure(STAGE, bare_job(), [ended_pod(exit_code=1, message=log)])
    assert "the last word”" in why.message
    assert "line 10 " not in why.message
    assert len(why.message.encode()) < MAX_LAST_WORDS + 150


@pytest.mark.parametrize(
    "pods",
    [
        [ended_pod(exit_code=1)],
        [ended_pod(exit_code=134)],
        [ended_pod(exit_code=139, message="garbage")],
        [ended_pod(exit_code=128, reason="StartError", message="exec: no such file")],
        [pod_view(phase="Failed")],
        [pod_view()],
        [],
    ],
    ids=["1", "abort", "segfault", "start", "no container", "pending", "no pod"],
)
def test_every_failure_has_reason_sentence_and_remedy(pods: list[PodView]) -> None:
    why = failure(STAGE, bare_job(), pods)
    assert why.reason
    assert "reconstruct stage" in why.message
    assert why.remedy
    assert "exit code" not in why.text


def test_a_container_being_made_is_not_held_up() -> None:
    assert waiting(STAGE, [pod_view(state={"waiting": {"reason": "ContainerCreating"}})], ()) is None


def test_the_latest_refusal_explains_a_job_without_pods() -> None:
    events = [
        EventView("FailedCreate", "Error creating: Internal error occurred", NOW),
        EventView("FailedCreate", 'Error creating: pods "a" is forbidden: exceeded quota: q, requested: pods=1', NOW),
    ]
    later = [events[0], EventView(events[1].reason, events[1].message, NOW + timedelta(seconds=1))]
    why = waiting(STAGE, [], later)
    assert why is not None
    assert why.reason == "QuotaExceeded"


def test_a_warning_of_a_job_that_is_no_refusal_keeps_nothing() -> None:
    assert waiting(STAGE, [], [EventView("TooManySucceededPods", "too many succeeded pods running", NOW)]) is None


def test_a_refusal_reads_the_same_from_pod_to_pod() -> None:
    """Each try has another pod: with its name in it, each would be news and a write of the status."""

    def tried(pod: str) -> Remedied | None:
        message = f'Error creating: pods "ruin-ingest-1-{pod}" is forbidden: exceeded quota: q, requested: pods=1'
        return waiting(STAGE, [], [EventView("FailedCreate", message, NOW)])

    assert tried("q675j") == tried("hptmb")


def test_an_image_that_cannot_be_pulled_reads_the_same_while_the_kubelet_backs_off() -> None:
    error = 'failed to pull and unpack image "example.com/colmap:1": failed to resolve reference: not found'

    def at(reason: str, message: str) -> Remedied | None:
        return waiting(STAGE, [pod_view(state={"waiting": {"reason": reason, "message": message}})], ())

    backing_off = f'Back-off pulling image "example.com/colmap:1": ErrImagePull: {error}'
    assert at("ErrImagePull", error) == at("ImagePullBackOff", backing_off)


def test_the_errors_of_a_mount_say_more_than_the_kubelets_summary_of_them() -> None:
    summary = "Unable to attach or mount volumes: unmounted volumes=[source], unattached volumes=[]: timed out"
    events = [
        EventView("FailedMount", 'MountVolume.SetUp failed for volume "pv-1" : mount failed: exit status 32', NOW),
        EventView("FailedMount", summary, NOW + timedelta(seconds=1)),
    ]
    why = waiting(STAGE, [pod_view()], events)
    assert why is not None
    assert "exit status 32" in why.message


@pytest.mark.parametrize(
    ("fact", "reason", "word"),
    [
        (Fact("JobTerminating", "waiting for the Job a to be gone"), "JobTerminating", "Nothing to do"),
        (Fact("JobNameTaken", "a Job ruin-1 exists that is not yours"), "JobNameTaken", "kubectl delete job ruin-1"),
        (Fact("JobRefused", "the Job a cannot be created: no reason"), "StageRefused", "kubectl describe jobs"),
    ],
)
def test_a_job_that_cannot_be_created_is_explained(fact: Fact, reason: str, word: str) -> None:
    why = diagnosis.refused(STAGE, fact)
    assert why.reason == reason
    assert word in why.remedy


def test_an_events_time_is_when_it_was_last_seen() -> None:
    event = {
        "metadata": {"creationTimestamp": text(NOW)},
        "series": {"lastObservedTime": text(NOW + timedelta(hours=1))},
    }
    assert EventView.of({**event, "eventTime": text(NOW)}).at == NOW + timedelta(hours=1)
