"""Jobs and pods as the API server keeps them, and what the Job controller and the kubelets do to them."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pointcloud_api.names import KEY_LABEL, STAGE_LABEL, StageName
from pointcloud_api.stages import ExitCode, StageDocument, Termination
from pointcloud_operator.model.observed import Fact, JobView, PodView
from tests.unit.operator.builders import NOW, Json, document, job_view, pod_view

NO_TERMINATION = Termination()
GRACE = timedelta(seconds=30)


@dataclass
class Child:
    """A Job with its pods, oldest first. The Job's JSON is never changed, so that copies may share it."""

    job: Json
    uid: str
    created: datetime = NOW
    complete: bool = False
    failed: str = ""
    deleting: bool = False
    queued: bool = False
    """Suspended, as Kueue does."""
    failures: int = 0
    pods: list[PodView] = field(default_factory=list)
    counted: frozenset[str] = frozenset()
    """Uids of the pods whose failure the Job controller has judged."""
    made: int = 0
    """Pods, ever."""

    @property
    def name(self) -> str:
        return str(self.job["metadata"]["name"])

    @property
    def live(self) -> bool:
        return not (self.complete or self.failed or self.deleting)

    @property
    def stage(self) -> StageName:
        return StageName(self.job["metadata"]["labels"][STAGE_LABEL])

    @property
    def key(self) -> str:
        return str(self.job["metadata"]["labels"][KEY_LABEL])

    @property
    def document(self) -> StageDocument:
        return document(self.job)

    @property
    def pod(self) -> PodView | None:
        """The newest one."""
        return self.pods[-1] if self.pods else None

    @pod.setter
    def pod(self, pod: PodView) -> None:
        self.pods[-1:] = [pod]

    @property
    def at_work(self) -> list[PodView]:
        """Pods that have not ended."""
        return [pod for pod in self.pods if not pod.ended]

    def view(self) -> JobView:
        return job_view(
            self.job,
            uid=self.uid,
            complete=self.complete,
            failed=self.failed,
            deleting=self.deleting,
            queued=self.queued,
            failures=self.failures,
            created=self.created,
        )

    def copy(self) -> "Child":
        """As it is now, whatever becomes of it."""
        return replace(self, pods=list(self.pods))

    # What the kubelets do.

    def expect(self, now: datetime = NOW) -> PodView:
        """A new pod, which waits."""
        self.made += 1
        uid = f"pod-{self.uid}" if self.made == 1 else f"pod-{self.uid}-{self.made}"
        (container,) = self.job["spec"]["template"]["spec"]["containers"]
        scratch = next(v for v in self.job["spec"]["template"]["spec"]["volumes"] if v["name"] == "scratch")
        pod = replace(
            pod_view(uid=uid),
            created=now,
            memory_limit=str(container["resources"].get("limits", {}).get("memory", "")),
            scratch_size=str(scratch["emptyDir"]["sizeLimit"]),
        )
        self.pods.append(pod)
        return pod

    def run(self, now: datetime = NOW) -> PodView:
        """The newest pod runs, if it has not ended; a first one is made."""
        pod = self.pods[-1] if self.pods else self.expect(now)
        if not pod.ended and pod.started_at is None:
            self.pod = pod = replace(pod, phase="Running", started_at=now, scheduled_at=now, node="node-1")
        return pod

    def end(
        self,
        now: datetime = NOW,
        *,
        exit_code: int = 0,
        termination: Termination = NO_TERMINATION,
        exit_reason: str = "",
        last_words: str = "",
    ) -> PodView:
        """The newest pod, which must not have ended, runs to its end."""
        pod = self.run(now)
        assert not pod.ended, "it has ended already"
        self.pod = replace(
            pod,
            phase="Failed" if exit_code else "Succeeded",
            finished_at=now,
            exit_code=exit_code,
            exit_reason=exit_reason or ("Error" if exit_code else "Completed"),
            termination=termination,
            last_words=last_words,
        )
        return self.pods[-1]

    def take_away(self, now: datetime = NOW, *, disruption: str = "", message: str = "") -> None:
        """Pods that have not ended are to end: by somebody's hand, or with a DisruptionTarget condition."""
        why = Fact(disruption, message or f"taken away: {disruption}") if disruption else None
        self.pods = [
            pod if pod.ended else replace(pod, deletion=pod.deletion or now + GRACE, disruption=pod.disruption or why)
            for pod in self.pods
        ]

    def leave(self, now: datetime = NOW) -> None:
        """Pods that are to end do so, in the way of a stage that was asked to."""
        self.pods = [
            pod
            if pod.ended or pod.deletion is None
            else replace(
                pod,
                phase="Failed",
                started_at=pod.started_at or now,
                finished_at=now,
                exit_code=int(ExitCode.TRY_AGAIN),
                exit_reason="Error",
            )
            for pod in self.pods
        ]

    def evict_for_scratch(self, now: datetime = NOW) -> None:
        """The kubelet evicts the newest pod, which fills its scratch: no DisruptionTarget comes with that."""
        pod = self.run(now)
        self.pod = replace(
            pod,
            phase="Failed",
            status=Fact("Evicted", f'Usage of EmptyDir volume "scratch" exceeds the limit "{pod.scratch_size}".'),
            finished_at=now,
            exit_code=137,
            exit_reason="Error",
        )

    # What the Job controller does.

    def control(self, now: datetime = NOW) -> None:
        """Judges the pods that have ended, and replaces them or ends the Job."""
        if not self.live:
            self.take_away(now)
            return
        for pod in self.pods:
            if pod.phase == "Failed" and pod.uid not in self.counted:
                self._judge(pod)
        self.pods = [pod for pod in self.pods if not (pod.ended and pod.deletion)]
        if self.queued:
            self.take_away(now)
        elif any(pod.phase == "Succeeded" for pod in self.pods):
            self.complete = True
        elif not self.failed and self.failures > self.job["spec"]["backoffLimit"]:
            self.failed = "BackoffLimitExceeded"
        elif not self.failed and not self._busy():
            self.expect(now)

    def _busy(self) -> bool:
        """Whether a pod keeps another from being made: one that is only leaving counts under this policy alone."""
        leaving_counts = self.job["spec"].get("podReplacementPolicy") == "Failed"
        return any(leaving_counts or pod.deletion is None for pod in self.at_work)

    def _judge(self, pod: PodView) -> None:
        self.counted |= {pod.uid}
        match self._action(pod):
            case "Ignore":
                return
            case "FailJob":
                self.failed = "PodFailurePolicy"
        if not self.queued or pod.deletion is None:
            self.failures += 1

    def _action(self, pod: PodView) -> str:
        for rule in self.job["spec"]["podFailurePolicy"]["rules"]:
            if "onPodConditions" in rule and pod.disruption:
                return str(rule["action"])
            if pod.exit_code in rule.get("onExitCodes", {}).get("values", ()):
                return str(rule["action"])
        return "Count"
