"""From a spec to its three stages, each with the settings that determine its result and the key that stands for them.

`_settings` is the one table that says which field of the spec belongs to which stage. What it does not name (resources,
node selectors, the device, query strings of URLs, when an upload arrived) changes no result, so a change of it re-runs
nothing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import ValidationError

from pointcloud_api.names import StageName
from pointcloud_api.resource import Phase, PointcloudJobSpec, StageStatus
from pointcloud_api.stages import ConvertSettings, IngestSettings, ReconstructSettings, Settings

KEY_LENGTH: Final = 10
"""Hexadecimal digits of a key. 40 bits tell the few keys of one PointcloudJob apart; its uid does the rest."""

TRIES_NOTHING: Final = {"suspend", "webhooks", "retention", "output"}
"""Fields of the spec whose change cannot lead to another end."""

NOTHING_LEFT: Final[Mapping[str, bool]] = MappingProxyType({})
_RENEWALS: Final = 8
"""How many keys of one wish are told for such. More come only while that many wait for their removal."""


@dataclass(frozen=True)
class PlannedStage:
    """A stage as the spec asks for it."""

    name: StageName
    key: str
    settings: Settings
    upstream: str | None
    """Key of the stage before, None for the first."""
    previous_key: str | None = None
    """Key of the last run that succeeded, whose work this one may take over: its own after a spec is changed back."""

    def recorded_settings(self) -> dict[str, Any]:
        """The settings as the status keeps them."""
        return self.settings.model_dump(mode="json", exclude_none=True)


def plan(
    spec: PointcloudJobSpec,
    *,
    uid: str,
    recorded: Sequence[StageStatus] = (),
    left: Mapping[str, bool] = NOTHING_LEFT,
) -> tuple[PlannedStage, ...]:
    """The stages of a spec, in order.

    A recorded stage whose settings compare equal keeps its recorded key, as long as every stage before it does too:
    a newer operator with another hash or with more settings then re-runs nothing. Work of an earlier key is not taken
    over across a changed `rerun`: who asks for everything again may mistrust what is there.

    Args:
        spec: What is asked for.
        uid: Of the PointcloudJob.
        recorded: The stages as the status has them.
        left: Keys that the spec has left, and whether what was made under them may be taken: not once it may be being
            removed.
    """
    by_name = {stage.name: stage for stage in recorded}
    ingest = by_name.get(StageName.INGEST)
    everything_again = ingest is not None and ingest.settings.get("rerun", "") != spec.rerun
    stages: list[PlannedStage] = []
    upstream: str | None = None
    origin, unchanged = uid, True
    for name, settings in _settings(spec).items():
        record = by_name.get(name)
        unchanged = unchanged and record is not None and resolved(settings, record.settings) == settings
        wish = stage_key(settings, origin)
        key = record.key if unchanged and record is not None else _key(settings, wish, left)
        previous = _previous_key(record, key) if record and not everything_again else None
        stages.append(PlannedStage(name, key, settings, upstream, previous))
        origin = wish if key in islice(renewals(settings, wish), _RENEWALS) else key
        upstream = key
    return tuple(stages)


def stage_key(settings: Settings, before: str) -> str:
    """Hash of a stage's settings and of what it starts from: the key before it, or the PointcloudJob's uid."""
    return _hash([before, settings.model_dump(mode="json")])


def renewals(settings: Settings, key: str) -> Iterator[str]:
    """The keys under which one and the same work is done, again and again, when what an earlier one made is gone.

    A key is not used again for that: its result is never replaced, and names what is gone. The first is the key itself,
    and the keys of the stages after it are made of that one, so they stay what they were.
    """
    while True:
        yield key
        key = stage_key(settings, key)


def renewed_key(stage: PlannedStage, left: Mapping[str, bool]) -> str:
    """The key under which to run a stage again whose artefacts are gone."""
    return next(key for key in renewals(stage.settings, stage.key) if key != stage.key and key not in left)


def spec_hash(spec: PointcloudJobSpec) -> str:
    """Hash of all that a stage which failed or waits is tried again for when it changes, in any part of the spec.

    It stays the same when a newer operator knows more fields, as long as these are at their defaults.
    """
    return _hash(spec.model_dump(mode="json", exclude=TRIES_NOTHING, exclude_defaults=True))


def resolved(like: Settings, recorded: Mapping[str, Any]) -> Settings | None:
    """Recorded settings as this version understands them; None where they hold a value that it does not.

    What an older version did not know is at its default. What only a newer one knows is left out: nobody can ask this
    version for anything else.
    """
    known = like.model_dump(mode="json")
    try:
        return type(like).model_validate({name: value for name, value in recorded.items() if name in known})
    except ValidationError:
        return None


def without_query(url: str) -> str:
    """The URL without query string, fragment and credentials, which are no part of what it names."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _settings(spec: PointcloudJobSpec) -> dict[StageName, Settings]:
    claim, upload = spec.source.persistent_volume_claim, spec.source.upload
    return {
        StageName.INGEST: IngestSettings(
            urls=tuple(without_query(url) for url in spec.source.urls or ()),
            claim_name=claim.claim_name if claim else None,
            path=claim.path.strip("/") if claim else "",
            upload_revision=upload.revision if upload else None,
            frames_per_second=spec.source.video.frames_per_second,
            max_frames=spec.source.video.max_frames,
            rerun=spec.rerun,
        ),
        StageName.RECONSTRUCT: ReconstructSettings(
            quality=spec.reconstruction.quality,
            georeference=spec.reconstruction.georeference,
            exports=spec.reconstruction.exports,
            camera_model=spec.reconstruction.camera.model,
            camera_sharing=spec.reconstruction.camera.sharing,
            matching=spec.reconstruction.matching,
            mapper=spec.reconstruction.mapper,
            density=spec.reconstruction.density,
        ),
        StageName.CONVERT: ConvertSettings(encoding=spec.pointcloud.encoding),
    }


def _key(settings: Settings, wish: str, left: Mapping[str, bool]) -> str:
    """The newest key of a wish whose artefacts may still be taken, or the first that nothing is left of."""
    kept = [key for key in islice(renewals(settings, wish), _RENEWALS) if left.get(key)]
    return kept[-1] if kept else next(key for key in renewals(settings, wish) if key not in left)


def _previous_key(record: StageStatus, key: str) -> str | None:
    if record.key == key:
        return record.previous_key
    return record.key if record.phase is Phase.SUCCEEDED else record.previous_key


def _hash(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:KEY_LENGTH]
