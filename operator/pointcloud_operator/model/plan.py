"""From a spec to its three stages, each with the settings that determine its result and the key that stands for them.

`_settings` is the one table that says which field of the spec belongs to which stage. What it does not name (resources,
node selectors, the device, query strings of URLs) changes no result, so a change of it re-runs nothing.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import ValidationError

from pointcloud_api.names import StageName
from pointcloud_api.resource import PointcloudJobSpec, StageStatus
from pointcloud_api.stages import ConvertSettings, IngestSettings, ReconstructSettings, Settings

KEY_LENGTH: Final = 10
"""Hexadecimal digits of a key. 40 bits tell the few keys of one PointcloudJob apart; its uid does the rest."""


@dataclass(frozen=True)
class PlannedStage:
    """A stage as the spec asks for it."""

    name: StageName
    key: str
    settings: Settings
    upstream: str | None
    """Key of the stage before, None for the first."""

    def recorded_settings(self) -> dict[str, Any]:
        """The settings as the status keeps them."""
        return self.settings.model_dump(mode="json", exclude_none=True)


def plan(spec: PointcloudJobSpec, *, uid: str, recorded: Sequence[StageStatus] = ()) -> tuple[PlannedStage, ...]:
    """The stages of a spec, in order.

    A recorded stage whose settings compare equal keeps its recorded key, as long as every stage before it does too:
    a newer operator with another hash or with more settings then re-runs nothing.
    """
    by_name = {stage.name: stage for stage in recorded}
    stages: list[PlannedStage] = []
    upstream: str | None = None
    unchanged = True
    for name, settings in _settings(spec).items():
        record = by_name.get(name)
        unchanged = unchanged and record is not None and _equal(settings, record.settings)
        key = record.key if unchanged and record is not None else stage_key(settings, upstream or uid)
        stages.append(PlannedStage(name=name, key=key, settings=settings, upstream=upstream))
        upstream = key
    return tuple(stages)


def stage_key(settings: Settings, before: str) -> str:
    """Hash of a stage's settings and of what it starts from: the key before it, or the PointcloudJob's uid."""
    canonical = json.dumps([before, settings.model_dump(mode="json")], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:KEY_LENGTH]


def without_query(url: str) -> str:
    """The URL without query string, fragment and credentials, which are no part of what it names."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _settings(spec: PointcloudJobSpec) -> dict[StageName, Settings]:
    claim = spec.source.persistent_volume_claim
    return {
        StageName.INGEST: IngestSettings(
            urls=tuple(without_query(url) for url in spec.source.urls or ()),
            claim_name=claim.claim_name if claim else None,
            path=claim.path.strip("/") if claim else "",
        ),
        StageName.RECONSTRUCT: ReconstructSettings(quality=spec.reconstruction.quality),
        StageName.CONVERT: ConvertSettings(encoding=spec.pointcloud.encoding),
    }


def _equal(settings: Settings, recorded: dict[str, Any]) -> bool:
    try:
        return type(settings).model_validate(recorded) == settings
    except ValidationError:
        return False
