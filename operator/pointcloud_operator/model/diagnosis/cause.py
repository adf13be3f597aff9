"""What a cause of waiting or failing is: one row of the table that users read, and the words made from it."""

from dataclasses import dataclass
from enum import StrEnum
from string import Formatter
from typing import Final

_FORMATTER: Final = Formatter()


class Again(StrEnum):
    """By what the work goes on."""

    BY_ITSELF = "by itself"
    """Nobody has to do anything."""
    ONCE_CURED = "once cured"
    """The stage waits, and goes on as soon as what keeps it is gone."""
    RETRIED = "as a retry"
    """Up to the retry limit; then the job has failed, and goes on when the spec is changed."""
    WHEN_CHANGED = "when the spec is changed"
    """The job has failed: trying the same again would not help."""
    NEW_JOB = "in a new PointcloudJob"
    """The job has failed in a way that no change of it cures."""


@dataclass(frozen=True)
class Remedied:
    """What keeps a stage from its end, and what to do about it."""

    reason: str
    message: str
    remedy: str

    @property
    def text(self) -> str:
        """Message and remedy as one text."""
        return " ".join(sentence(part) for part in (self.message, self.remedy) if part)

    @property
    def trying_again(self) -> str:
        """The message for as long as the stage is tried again: whoever reads it has nothing to do yet."""
        return f"Trying again soon. {sentence(self.message)}"


@dataclass(frozen=True)
class Cause:
    """One row: when it is seen, and what is said then, with its figures in braces as in `str.format`."""

    reason: str
    """CamelCase: the reason of the condition and of the Event. Users and dashboards match on it: it stays."""
    seen: str
    """By what it is recognised, in Markdown."""
    message: str
    """What is wrong, one sentence."""
    remedy: str
    """What to do next, one sentence that names a field, a value of the chart, a command, or what to change."""
    again: Again

    def said(self, **figures: object) -> Remedied:
        """The row with its figures filled in. Raises KeyError where one is missing."""
        return Remedied(
            reason=self.reason, message=self.message.format(**figures), remedy=self.remedy.format(**figures)
        )

    @property
    def figures(self) -> frozenset[str]:
        """Names of the figures that it needs."""
        parsed = (*_FORMATTER.parse(self.message), *_FORMATTER.parse(self.remedy))
        return frozenset(name for _, name, _, _ in parsed if name)


def sentence(text: str) -> str:
    """The text with an end."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
