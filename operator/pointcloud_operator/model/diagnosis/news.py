"""Reasons that are news and not causes: what the operator does of its own accord, or tells of a run that goes well.

The words are made where it happens; the rows are what the documentation says of the reasons.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class News:
    """One row."""

    reason: str
    """CamelCase: the reason of the condition or of the Event."""
    shown: str
    """Where: the condition or the type of the Event."""
    meaning: str
    """What has happened, a sentence without its end, in Markdown."""


_NORMAL: Final = "Event"
_WARNING: Final = "Warning Event"
NEWS: Final = (
    News("StageExpected", "Reconciling", "a stage's Job is made, and its pod is to come"),
    News("StageRunning", "Reconciling", "a stage's pod runs"),
    News("StageStarted", _NORMAL, "a stage's pod runs, for the first time in this attempt"),
    News("StageSucceeded", _NORMAL, "a stage's result is recorded"),
    News("StageFound", _NORMAL, "the store has the result of a stage with these settings already, so it need not run"),
    News("Published", "Complete, and an Event", "the point cloud can be looked at under `status.url`"),
    News("UploadAwaited", "AwaitingUpload", "nothing has been uploaded yet; `status.progress.message` says where to"),
    News("UploadSettling", "Reconciling", "files have arrived, and the run begins unless more follow"),
    News("JobSuspended", "Suspended", "`spec.suspend` is true"),
    News("Suspended", _NORMAL, "the work was stopped at a stage by `spec.suspend`"),
    News("Resumed", _NORMAL, "`spec.suspend` is false again"),
    News("SettingsChanged", _NORMAL, "a changed setting makes a stage run again; the Event names it, before and after"),
    News("MemoryRaised", _WARNING, "a stage ran out of memory; the next attempt has twice as much"),
    News("ScratchRaised", _WARNING, "a stage ran out of scratch space; the next attempt has twice as much"),
    News(
        "PodDeleted",
        _WARNING,
        "a stage's pod was deleted, or is gone without a word; the stage goes on in another, and nothing counts as a "
        "retry",
    ),
    News(
        "ArtefactsLeft",
        _WARNING,
        "artefacts that were to be removed stay in the store: those of a deleted PointcloudJob because that took too "
        "long, those of earlier settings because they are too many; the Event names the folders",
    ),
    News(
        "PartialReconstruction",
        _WARNING,
        "some photos are not in the reconstruction; the Event names them and says why",
    ),
    News(
        "FewRegistered",
        "PartialReconstruction",
        "fewer of the usable photos than `spec.reconstruction.minRegisteredPercent` are in the reconstruction; "
        "`status.warnings` says why, and `report.json` why of each",
    ),
    News("EnoughRegistered", "PartialReconstruction", "as many of the usable photos are registered as were asked for"),
    News(
        "PairsLeftOut",
        _WARNING,
        "without positions or an order, each of many photos was compared with those that look most like it alone",
    ),
    News(
        "MatchingNotAsAsked", _WARNING, "`spec.reconstruction.matching` could be followed for some of the photos only"
    ),
    News("NotGeoreferenced", _WARNING, "the photos' GPS positions are no good for a scale; the Event says why"),
    News("NotUndistorted", _WARNING, "undistorted photos were asked for, and panoramas have none"),
    News(
        "NotDensified",
        _WARNING,
        "a dense cloud was to be made, and none came of these photos; the cloud is sparse, and the Event says why",
    ),
    News("MasksNotUsed", _WARNING, "some masks fit no photo, whose photos were used whole; the Event names them"),
    News("GpuNotUsed", _WARNING, "the pod was given a GPU that it could not use, and worked on the CPU"),
    News(
        "FewerThreads", _WARNING, "memory had no room for as many threads as processors; the result is the same, later"
    ),
    News("PointsDropped", _WARNING, "points too far out to be shown were left out of the cloud"),
)
