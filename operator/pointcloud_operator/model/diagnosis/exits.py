"""Causes that are exit statuses: a program that ended without a word, by a signal or by itself."""

import signal
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_api.stages import Reason
from pointcloud_operator.model.diagnosis.cause import Again, Cause, Remedied
from pointcloud_operator.model.diagnosis.quoting import MAX_NAME, last_words, plain
from pointcloud_operator.model.observed import PodView

_CRASHED: Final = "StageCrashed"
_LOG: Final = "`kubectl logs {pod}`"
CPU: Final = Cause(
    reason="UnsupportedCpu",
    seen="exit status 132 (SIGILL)",
    message="The {stage} stage was ended by SIGILL: the processor of the node {node} lacks an instruction that its "
    "program uses{words}",
    remedy="Keep it on newer processors by spec.stages.{stage}.nodeSelector, or name an image built for older ones in "
    "image.refs of the install's values",
    again=Again.WHEN_CHANGED,
)
ABORTED: Final = Cause(
    reason=_CRASHED,
    seen="exit status 134 (SIGABRT)",
    message="The {stage} stage was ended by SIGABRT, which is how COLMAP ends when a check of its own fails{words}",
    remedy="Read its log with " + _LOG + ": where it tells of memory, set spec.stages.{stage}.resources.limits.memory "
    "to more, else leave out the photos that it names, or report it",
    again=Again.RETRIED,
)
BUS: Final = Cause(
    reason=_CRASHED,
    seen="exit status 135 (SIGBUS)",
    message="The {stage} stage was ended by SIGBUS: a file that it had mapped into memory was cut off, as on a full or "
    "broken disk{words}",
    remedy="Look at the disk of the node {node} (`kubectl describe node {node}`), or raise stages.{stage}.scratchSize "
    "in the install's values",
    again=Again.RETRIED,
)
ARITHMETIC: Final = Cause(
    reason=_CRASHED,
    seen="exit status 136 (SIGFPE)",
    message="The {stage} stage was ended by SIGFPE: its program divided by zero{words}",
    remedy="Leave out the photos that its log names (" + _LOG + "), and report it as a defect",
    again=Again.RETRIED,
)
KILLED: Final = Cause(
    reason="StageKilled",
    seen="exit status 137 (SIGKILL) without `OOMKilled`",
    message="The {stage} stage was ended by SIGKILL from outside its container, as a node does that runs out of memory "
    "or that does not get an end in time{words}",
    remedy="Set spec.stages.{stage}.resources.requests.memory to what it needs, so that it gets a node with enough; "
    "`kubectl describe node {node}` tells what happened there",
    again=Again.RETRIED,
)
SEGFAULT: Final = Cause(
    reason=_CRASHED,
    seen="exit status 139 (SIGSEGV)",
    message="The {stage} stage was ended by SIGSEGV: its program reached for memory that is not its own{words}",
    remedy="Leave out the photos that its log names (" + _LOG + "), and report it as a defect",
    again=Again.RETRIED,
)
TERMINATED: Final = Cause(
    reason=Reason.INTERRUPTED,
    seen="exit status 143 (SIGTERM)",
    message="The pod of the {stage} stage was told to end, and ended before it could say anything{words}",
    remedy="Nothing to do: the stage goes on in another pod. `kubectl get events` says who ended it",
    again=Again.RETRIED,
)
SIGNALLED: Final = Cause(
    reason=_CRASHED,
    seen="any other exit status above 128",
    message="The {stage} stage was ended by {signal}{words}",
    remedy="Read its log with " + _LOG + ", and report it as a defect if the photos are sound",
    again=Again.RETRIED,
)
STATUS: Final = Cause(
    reason=_CRASHED,
    seen="any other exit status",
    message="The program of the {stage} stage ended with status {code} before it could say why{words}",
    remedy="Read its log with " + _LOG + ", and report it as a defect if the photos are sound",
    again=Again.RETRIED,
)
NOT_STARTED: Final = Cause(
    reason="StageNotStarted",
    seen="`StartError` or `ContainerCannotRun` of the container, or exit status 126 or 127",
    message="The program of the {stage} stage could not be started from the image {image}{words}",
    remedy="Use the install's own images: image.repository, image.tag and image.refs in the install's values",
    again=Again.RETRIED,
)
STATUS_LOST: Final = Cause(
    reason=Reason.INTERRUPTED,
    seen="`ContainerStatusUnknown` of the container",
    message="The node {node} lost track of the container of the {stage} stage, as when it restarts",
    remedy="Nothing to do: the stage goes on in another pod. `kubectl describe node {node}` tells what happened there",
    again=Again.RETRIED,
)
CAUSES: Final = (
    CPU,
    ABORTED,
    BUS,
    ARITHMETIC,
    KILLED,
    SEGFAULT,
    TERMINATED,
    SIGNALLED,
    STATUS,
    NOT_STARTED,
    STATUS_LOST,
)
_BY_STATUS: Final = {
    126: NOT_STARTED,
    127: NOT_STARTED,
    132: CPU,
    134: ABORTED,
    135: BUS,
    136: ARITHMETIC,
    137: KILLED,
    139: SEGFAULT,
    143: TERMINATED,
}
_BY_CONTAINER: Final = {
    "StartError": NOT_STARTED,
    "ContainerCannotRun": NOT_STARTED,
    "ContainerStatusUnknown": STATUS_LOST,
}


def exited(stage: StageName, pod: PodView, code: int) -> Remedied:
    """Why a container ended with that status, which is not 0."""
    cause = _BY_CONTAINER.get(pod.exit_reason) or _BY_STATUS.get(code) or (SIGNALLED if code > 128 else STATUS)
    words = last_words(pod.last_words)
    if words:
        words = f": {words}" if cause is NOT_STARTED else f"; its log ends with {words}"
    figures = {"stage": stage, "pod": pod.name, "node": pod.node or "<node>", "words": words}
    return cause.said(**figures, code=code, signal=_signal(code - 128), image=plain(pod.image, 3 * MAX_NAME))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
