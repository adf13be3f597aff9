"""Where each property of the spec is found in the cluster once it is declared."""

import json
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any, Final

from pointcloud_api.names import ARTEFACTS_FINALIZER, KUEUE_QUEUE_LABEL, StageName
from pointcloud_api.stages import URLS_VARIABLE
from tests.integration.conftest import Json
from tests.integration.operator.properties.life import Life, condition, document, pod_spec, variables
from tests.integration.operator.properties.values import Property

Finder = Callable[[Life, Property], Any]


def found(life: Life, known: Property) -> Any:
    """What the cluster has of a property; for a map, no more than was asked for. `UNSEEN` where nothing shows it.

    Raises LookupError for a property of which nobody has said where it is to be found.
    """
    finder = next((finder for pattern, finder in _FINDERS.items() if fnmatch(str(known), pattern)), None)
    if finder is None:
        raise LookupError(f"spec.{known} is new: say in {__name__} where it is found, or that it is UNSEEN")
    return finder(life, known)


UNSEEN: Final = object()
"""Of what shows only later, or to somebody else."""


def _unseen(_: Life, __: Property) -> Any:
    return UNSEEN


def _setting(stage: StageName, name: str) -> Finder:
    return lambda life, _: document(life.newest_job(stage))["settings"].get(name)


def _overridden(find: Callable[[Json], Any]) -> Finder:
    """Of a stage's pods; only the entries that the value names, because the install has its own."""

    def finder(life: Life, known: Property) -> Any:
        there = find(pod_spec(life.newest_job(StageName(known.path[1]))))
        wished = known.good[1]
        return {name: there.get(name) for name in wished} if isinstance(wished, dict) else there

    return finder


def _resources(kind: str) -> Finder:
    return _overridden(lambda pod: dict(pod["containers"][0]["resources"][kind]))


def _claim(life: Life, _: Property) -> Any:
    volumes = pod_spec(life.newest_job(StageName.INGEST))["volumes"]
    return next(volume for volume in volumes if volume["name"] == "source")["persistentVolumeClaim"]["claimName"]


def _urls(life: Life, _: Property) -> Any:
    return json.loads(variables(life.newest_job(StageName.INGEST))[URLS_VARIABLE])


def _deletion_policy(life: Life, _: Property) -> Any:
    assert life.run.job
    return "Delete" if ARTEFACTS_FINALIZER in life.run.job["metadata"].get("finalizers", ()) else "Retain"


def _suspended(life: Life, _: Property) -> Any:
    return condition(life.run.status, "Suspended") == "True"


def _queue(life: Life, _: Property) -> Any:
    return life.newest_job(StageName.CONVERT)["metadata"]["labels"].get(KUEUE_QUEUE_LABEL)


_FINDERS: Final[dict[str, Finder]] = {
    "source.urls": _urls,
    "source.persistentVolumeClaim.claimName": _claim,
    "source.persistentVolumeClaim.path": _setting(StageName.INGEST, "path"),
    "source.upload.revision": _setting(StageName.INGEST, "uploadRevision"),
    "source.upload.receivedAt": _unseen,  # the run waits for it, and it was long ago
    "source.video.framesPerSecond": _setting(StageName.INGEST, "framesPerSecond"),
    "source.video.maxFrames": _setting(StageName.INGEST, "maxFrames"),
    "reconstruction.quality": _setting(StageName.RECONSTRUCT, "quality"),
    "reconstruction.georeference": _setting(StageName.RECONSTRUCT, "georeference"),
    "reconstruction.exports": _setting(StageName.RECONSTRUCT, "exports"),
    "reconstruction.camera.model": _setting(StageName.RECONSTRUCT, "cameraModel"),
    "reconstruction.camera.sharing": _setting(StageName.RECONSTRUCT, "cameraSharing"),
    "reconstruction.matching": _setting(StageName.RECONSTRUCT, "matching"),
    "reconstruction.mapper": _setting(StageName.RECONSTRUCT, "mapper"),
    "reconstruction.density": _setting(StageName.RECONSTRUCT, "density"),
    "reconstruction.minRegisteredPercent": _unseen,  # a condition shows it, in unit tests
    "reconstruction.device": lambda life, _: document(life.newest_job(StageName.RECONSTRUCT))["device"],
    "pointcloud.encoding": _setting(StageName.CONVERT, "encoding"),
    "stages.*.resources.limits": _resources("limits"),
    "stages.*.resources.requests": _resources("requests"),
    "stages.*.nodeSelector": _overridden(lambda pod: pod.get("nodeSelector", {})),
    "stages.*.priorityClassName": _overridden(lambda pod: pod.get("priorityClassName")),
    "suspend": _suspended,
    "rerun": _setting(StageName.INGEST, "rerun"),
    "retryLimit": lambda life, _: life.newest_job(StageName.CONVERT)["spec"]["backoffLimit"],
    "activeDeadlineSeconds": _unseen,  # time shows it, in unit tests
    "queueName": _queue,
    "retention.*": _unseen,  # the same
    "output.deletionPolicy": _deletion_policy,
    "webhooks": _unseen,  # the gateway's
}
