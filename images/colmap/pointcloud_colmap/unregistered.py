"""Says of each photo that is not in the reconstruction why that is, as far as it can be told, and what to do next."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Final

import pycolmap

from pointcloud_api.base import ApiModel
from pointcloud_api.stages import StageWarning
from pointcloud_colmap.features import ENOUGH
from pointcloud_colmap.mapping import registered_names
from pointcloud_colmap.matching import Pairs
from pointcloud_colmap.sharpness import sharpness
from pointcloud_colmap.wording import listed

_BLURRED: Final = 0.2
"""Of the median sharpness of the registered photos: see `sharpness` for what was measured."""
_COMPARED: Final = 30
"""Registered photos whose sharpness is measured, evenly spread over all."""
_MESSAGE: Final = 900
"""Characters of the warning at most: an Event holds 1,024 bytes."""


class Cause(StrEnum):
    """Why a photo is not registered."""

    UNREADABLE = "unreadable"
    IN_ANOTHER_MODEL = "inAnotherModel"
    BLURRED = "blurred"
    TOO_FEW_FEATURES = "tooFewFeatures"
    NO_OVERLAP = "noOverlap"
    DIFFERENT_CAMERA = "differentCamera"
    NOT_PLACED = "notPlaced"


@dataclass(frozen=True)
class _Words:
    what: str
    remedy: str


_WORDS: Final = {
    Cause.UNREADABLE: _Words("not readable by COLMAP", "Save them as JPEG of 8 bits in RGB."),
    Cause.IN_ANOTHER_MODEL: _Words(
        "in another model, apart from this one",
        "Add photos between these and the others that overlap both, or reconstruct them by themselves.",
    ),
    Cause.BLURRED: _Words(
        "blurred beside the others", "Take them again with a steadier camera, a shorter exposure, or in focus."
    ),
    Cause.TOO_FEW_FEATURES: _Words(
        "too bare or too dark", "Take them with more light, or with some textured surroundings in the picture."
    ),
    Cause.NO_OVERLAP: _Words(
        "without overlap with the rest", "Add photos between these and the others: neighbours share at least 60 %."
    ),
    Cause.DIFFERENT_CAMERA: _Words(
        "of another camera or zoom than the others",
        "Take all photos with one camera at one zoom, and give them as they are, neither cropped nor scaled.",
    ),
    Cause.NOT_PLACED: _Words(
        "overlapping, but not to be placed",
        "Add photos from places in between, a step to the side of each other rather than turned on the spot.",
    ),
}


class Unregistered(ApiModel):
    """A usable photo that the exported model does not place."""

    name: str
    cause: Cause
    remedy: str
    features: int
    sharpness: float | None
    """Of the median sharpness of the registered photos; None where it could not be measured."""
    matches: int
    """Verified matches with the registered photo that it shares most with."""
    model: int | None
    """Number of the other model that places it, as the report lists them; None where no model does."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of an unregistered photo; fields as of `Unregistered`."""

    readable: bool
    features: int
    sharpness: float | None
    matches: int
    model: int | None
    own_camera: bool
    """Whether no registered photo has its camera."""


def cause_of(evidence: Evidence) -> Cause:
    """The likeliest cause: what explains the others comes first, as blur explains that there are few features."""
    if not evidence.readable:
        return Cause.UNREADABLE
    if evidence.model is not None:
        return Cause.IN_ANOTHER_MODEL
    if evidence.sharpness is not None and evidence.sharpness < _BLURRED:
        return Cause.BLURRED
    if evidence.features < ENOUGH:
        return Cause.TOO_FEW_FEATURES
    if evidence.matches < ENOUGH:
        return Cause.NO_OVERLAP
    return Cause.DIFFERENT_CAMERA if evidence.own_camera else Cause.NOT_PLACED


def explain(
    models: Sequence[pycolmap.Reconstruction],
    *,
    features: Mapping[str, int],
    pairs: Pairs,
    database: Path,
    folder: Path,
) -> tuple[Unregistered, ...]:
    """Every photo that the first of the models does not place, by name; `features` counts those of all photos."""
    registered = set(registered_names(models[0]))
    missing = sorted(features.keys() - registered)
    if not missing:
        return ()
    usual = _median_sharpness(folder / name for name in _spread(sorted(registered)))
    elsewhere = {name: number for number in range(len(models) - 1, 0, -1) for name in registered_names(models[number])}
    matches = _most_matches(pairs, registered)
    with pycolmap.Database.open(database) as connection:
        cameras = {image.name: image.camera_id for image in connection.read_all_images()}
    known = {cameras[name] for name in registered}

    def explained(name: str) -> Unregistered:
        sharp = sharpness(folder / name)
        evidence = Evidence(
            readable=name in cameras,
            features=features[name],
            sharpness=round(sharp / usual, 3) if sharp is not None and usual else None,
            matches=matches.get(name, 0),
            model=elsewhere.get(name),
            own_camera=cameras.get(name) not in known,
        )
        cause = cause_of(evidence)
        return Unregistered(
            name=name,
            cause=cause,
            remedy=_WORDS[cause].remedy,
            features=evidence.features,
            sharpness=evidence.sharpness,
            matches=evidence.matches,
            model=evidence.model,
        )

    return tuple(explained(name) for name in missing)


def _spread(names: Sequence[str]) -> Sequence[str]:
    return names[:: max(1, len(names) // _COMPARED)]


def _median_sharpness(files: Iterable[Path]) -> float:
    measured = [sharp for file in files if (sharp := sharpness(file)) is not None]
    return median(measured) if measured else 0.0


def _most_matches(pairs: Pairs, registered: set[str]) -> dict[str, int]:
    most: defaultdict[str, int] = defaultdict(int)
    for (first, second), inliers in pairs.inliers.items():
        for name, other in ((first, second), (second, first)):
            if other in registered:
                most[name] = max(most[name], inliers)
    return most


def warn_of_unregistered(unregistered: Sequence[Unregistered], *, total: int) -> StageWarning | None:
    """Say which photos the cloud is made without and why, the commonest cause first, if there are any."""
    if not unregistered:
        return None
    groups: defaultdict[Cause, list[str]] = defaultdict(list)
    for photo in unregistered:
        groups[photo.cause].append(photo.name)
    said = [f"{total - len(unregistered)} of {total} photos were registered."]
    for cause, names in sorted(groups.items(), key=lambda group: -len(group[1])):
        said.append(f"{len(names)} {_WORDS[cause].what}: {listed(names)}. {_WORDS[cause].remedy}")
    message = " ".join(said)
    return StageWarning(
        reason="PartialReconstruction",
        message=message if len(message) <= _MESSAGE else f"{message[: _MESSAGE - 1]}…",
    )
