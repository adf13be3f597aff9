from datetime import timedelta

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.stages import StageError, Termination
from pointcloud_operator.model.diagnosis import failure, waiting
from pointcloud_operator.model.observed import EventView, PodView
from tests.unit.operator.builders import NOW, bare_job, ended_pod, pod_view, text

STAGE = StageName.RECONSTRUCT
ERROR = StageError(reason="NoOverlap", message="no two photos show the same thing", remedy="take more photos")


def unschedulable(message: str) -> PodView:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod_view(conditions=(scheduled,))


def test_what_the_stage_says_goes_before_everything() -> None:
    why = failure(
        STAGE, bare_job(failed="PodFailurePolicy"), [ended_pod(exit_code=65, termination=Termination(error=ERROR))]
    )
    assert why.reason == "NoOverlap"
    assert why.text == "no two photos show the same thing. take more photos."


def test_the_last_attempt_speaks() -> None:
    first = ended_pod(exit_code=75, termination=Termination(error=ERROR), uid="a")
    last = ended_pod(exit_code=137, reason="OOMKilled", uid="b")
    assert failure(STAGE, bare_job(), [first, last]).reason == "OutOfMemory"


def test_out_of_memory_names_limit_and_field() -> None:
    why = failure(STAGE, bare_job(), [ended_pod(exit_code=137, reason="OOMKilled")])
    assert "its limit of 8Gi" in why.message
    assert "spec.stages.reconstruct.resources.limits.memory" in why.remedy


def test_scratch_that_ran_out_is_told_from_other_evictions() -> None:
    full = pod_view(
        phase="Failed",
        reason="Evicted",
        message='Usage of EmptyDir volume "scratch" exceeds the limit "20Gi"'.replace("EmptyDir", "emptyDir"),
    )
    assert failure(STAGE, bare_job(), [full]).reason == "OutOfScratch"
    pressed = pod_view(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    assert failure(STAGE, bare_job(), [pressed]).reason == "Evicted"


@pytest.mark.parametrize(
    "pods",
    [
        [ended_pod(exit_code=1)],
        [ended_pod(exit_code=134)],
        [ended_pod(exit_code=139, message="garbage")],
        [ended_pod(exit_code=128, reason="StartError", message="exec: no such file")],
        [pod_view(phase="Failed")],
        [],
    ],
    ids=["1", "abort", "segfault", "start", "no container", "no pod"],
)
def test_every_failure_has_reason_sentence_and_remedy(pods: list[PodView]) -> None:
    why = failure(STAGE, bare_job(), pods)
    assert why.reason
    assert "reconstruct stage" in why.message
    assert why.remedy
    assert "exit code" not in why.text


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", "spec.reconstruction.device: cpu"),
        ('0/1 nodes are available: persistentvolumeclaim "photos" not found.', "Create that PersistentVolumeClaim"),
        ("0/1 nodes are available: 1 Insufficient memory.", "lower spec.stages.reconstruct.resources"),
    ],
)
def test_the_schedulers_reason_is_shown_with_a_remedy(message: str, remedy: str) -> None:
    why = waiting(STAGE, [unschedulable(message)], ())
    assert why is not None
    assert why.message == message
    assert remedy in why.remedy


def test_an_image_that_cannot_be_pulled_is_named() -> None:
    state = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "example.com/colmap:1"'}}
    why = waiting(STAGE, [pod_view(state=state)], ())
    assert why is not None
    assert why.reason == "ImagePullBackOff"
    assert "example.com/colmap:1" in why.message
    assert "imagePullSecrets" in why.remedy


def test_a_container_being_made_is_not_held_up() -> None:
    assert waiting(STAGE, [pod_view(state={"waiting": {"reason": "ContainerCreating"}})], ()) is None


def test_the_latest_event_explains_a_quiet_job() -> None:
    events = [
        EventView("FailedMount", "old", NOW),
        EventView("FailedCreate", "exceeded quota", NOW + timedelta(seconds=1)),
    ]
    why = waiting(STAGE, [], events)
    assert why is not None
    assert "exceeded quota" in why.message
    assert "ResourceQuota" in why.remedy


def test_an_events_time_is_when_it_was_last_seen() -> None:
    event = {
        "metadata": {"creationTimestamp": text(NOW)},
        "series": {"lastObservedTime": text(NOW + timedelta(hours=1))},
    }
    assert EventView.of({**event, "eventTime": text(NOW)}).at == NOW + timedelta(hours=1)
