"""What a changed spec means for what was made, in words: which settings are others, and which stages follow.

A change is told when the record of a stage gives way to another, which happens in one write of the status, so once.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from pointcloud_api.resource import PointcloudJobStatus, StageStatus
from pointcloud_operator.model.decision import Note
from pointcloud_operator.model.plan import PlannedStage, resolved
from pointcloud_operator.model.status import shortened

SETTINGS_CHANGED: Final = "SettingsChanged"
MAX_VALUE: Final = 80
"""Characters of a setting's value that are told: a list of addresses may have thousands."""
MAX_CHANGES: Final = 5
"""Settings of one stage that are told by name and value."""


def told_changes(before: PointcloudJobStatus, planned: Sequence[PlannedStage]) -> tuple[Note, ...]:
    """An Event for each recorded stage whose settings the spec has changed; the first names those that only follow."""
    recorded = ((stage, before.stage_named(stage.name)) for stage in planned)
    replaced = [(stage, record) for stage, record in recorded if record and record.key != stage.key]
    changed = {stage.name: differences(stage, record) for stage, record in replaced}
    told = [f"{name}: {_sentence(several)}" for name, several in changed.items() if several]
    followers = [name for name, several in changed.items() if not several]
    if told and followers:
        told[0] += f"; {' and '.join(followers)} {'follows' if len(followers) == 1 else 'follow'}"
    return tuple(Note("Normal", SETTINGS_CHANGED, text) for text in told)


def differences(stage: PlannedStage, record: StageStatus) -> dict[str, tuple[Any, Any]]:
    """What a stage's settings were and are, where these differ, by name."""
    understood = resolved(stage.settings, record.settings)
    was = understood.model_dump(mode="json") if understood else record.settings
    return {
        name: (was.get(name), value)
        for name, value in stage.settings.model_dump(mode="json").items()
        if was.get(name) != value
    }


def _sentence(changes: dict[str, tuple[Any, Any]]) -> str:
    """In the order of the settings; a new value of `rerun` is no setting, but a wish to run again."""
    settings = {name: values for name, values in changes.items() if name != "rerun"}
    said = []
    if settings:
        shown = [f"{name} {_text(was)} -> {_text(now)}" for name, (was, now) in settings.items()]
        more = [f"{len(shown) - MAX_CHANGES} more"] if len(shown) > MAX_CHANGES else []
        plural = "setting" if len(settings) == 1 else "settings"
        said.append(f"{len(settings)} {plural} changed: {', '.join([*shown[:MAX_CHANGES], *more])}")
    if "rerun" in changes:
        said.append(f"asked to run again: rerun is now {_text(changes['rerun'][1])}")
    return "; ".join(said)


def _text(value: Any) -> str:
    """A value in words: as the spec has it, bounded."""
    if value is None:
        return "none"
    plain = isinstance(value, str) and value
    return shortened(value if plain else json.dumps(value), MAX_VALUE)
