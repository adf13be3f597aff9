"""The table of all causes, in the order in which a job meets them: every reason that a user can see has its row."""

from dataclasses import dataclass
from typing import Final

from pointcloud_operator.model.diagnosis import admission, ended, keeping, limits, scheduling, starting, told
from pointcloud_operator.model.diagnosis.cause import Cause
from pointcloud_operator.model.diagnosis.news import NEWS


@dataclass(frozen=True)
class Section:
    """Causes that belong together."""

    title: str
    about: str
    causes: tuple[Cause, ...]


SECTIONS: Final = (
    Section(
        "The photos and the settings", "What the stages' programs say themselves, with names and figures.", told.CAUSES
    ),
    Section("Limits", "What the spec or the install bounds.", limits.CAUSES),
    Section("Refusals", "What the API server, or a policy of the cluster, has against a stage.", admission.CAUSES),
    Section("No node", "What the scheduler says of a stage's pod.", scheduling.CAUSES),
    Section("No start", "What the node says of a pod that it has, and does not run.", starting.CAUSES),
    Section("An end without a word", "What is known of a pod whose program could say nothing.", ended.CAUSES),
    Section("The operator's own", "What the operator works with.", keeping.CAUSES),
)
REASONS: Final = frozenset(cause.reason for section in SECTIONS for cause in section.causes) | {
    news.reason for news in NEWS
}
