"""Causes that the stages' own programs tell, by `pointcloud_api.stages.Reason`: their words go before everything else.

The rows are what the documentation says of them; a program's own message and remedy name the files and figures.
"""

from typing import Final

from pointcloud_api.names import StageName
from pointcloud_api.stages import Reason, StageError
from pointcloud_operator.model.diagnosis.cause import Again, Cause, Remedied
from pointcloud_operator.model.diagnosis.quoting import plain

MAX_TOLD: Final = 1700
"""Bytes of a stage's message, and of its remedy: a condition takes both."""

_TAKEN: Final = "photos as JPEG, PNG, TIFF, WebP, HEIC, AVIF, BMP or GIF, videos, or archives (zip, tar) of them"
NO_IMAGES: Final = Cause(
    reason=Reason.NO_IMAGES,
    seen="ingest found nothing at the source that it takes",
    message="The source holds no photos",
    remedy=f"Give {_TAKEN} in spec.source",
    again=Again.WHEN_CHANGED,
)
TOO_FEW_IMAGES: Final = Cause(
    reason=Reason.TOO_FEW_IMAGES,
    seen="ingest found one usable photo",
    message="The source holds one usable photo, and depth shows only between two",
    remedy="Give at least 2 photos of the same thing from different places in spec.source, better 20 or more",
    again=Again.WHEN_CHANGED,
)
UNREADABLE_IMAGES: Final = Cause(
    reason=Reason.UNREADABLE_IMAGES,
    seen="ingest could decode no file; also the `Warning` about those that it left out",
    message="Nothing in the source can be used, or some files cannot",
    remedy=f"Give {_TAKEN}, copied or uploaded completely, in spec.source",
    again=Again.WHEN_CHANGED,
)
DOWNLOAD_FAILED: Final = Cause(
    reason=Reason.DOWNLOAD_FAILED,
    seen="a server did not give a file of `spec.source.urls`",
    message="An address of the source could not be fetched",
    remedy="Correct spec.source.urls where the server refuses, or see whether it is up and reachable from the cluster",
    again=Again.RETRIED,
)
ADDRESS_NOT_ALLOWED: Final = Cause(
    reason=Reason.ADDRESS_NOT_ALLOWED,
    seen="an address of `spec.source.urls` leads to a private network",
    message="An address of the source is not on the public Internet",
    remedy="Name a public address in spec.source.urls, use spec.source.persistentVolumeClaim, or set "
    "ingestLimits.allowPrivateAddresses in the install's values",
    again=Again.WHEN_CHANGED,
)
BAD_ARCHIVE: Final = Cause(
    reason=Reason.BAD_ARCHIVE,
    seen="ingest could unpack no archive, and there is nothing else",
    message="An archive is damaged, encrypted or of an unknown kind",
    remedy="Pack the photos again as zip or tar without a password, and name that in spec.source",
    again=Again.WHEN_CHANGED,
)
UNSAFE_ARCHIVE: Final = Cause(
    reason=Reason.UNSAFE_ARCHIVE,
    seen="an archive has paths that lead out of it, or links",
    message="An archive would write outside its folder",
    remedy="Pack the photos again with relative paths and without links, and name that in spec.source",
    again=Again.WHEN_CHANGED,
)
LIMIT_EXCEEDED: Final = Cause(
    reason=Reason.LIMIT_EXCEEDED,
    seen="the source exceeds one of the install's `ingestLimits`, which the message names",
    message="The source is larger than the install allows",
    remedy="Give less in one job by spec.source, or raise that limit of ingestLimits in the install's values",
    again=Again.WHEN_CHANGED,
)
SOURCE_NOT_FOUND: Final = Cause(
    reason=Reason.SOURCE_NOT_FOUND,
    seen="the claim has no such folder, or may not be read; or an uploaded file is gone from the store",
    message="The photos are not where the source says, or may not be read",
    remedy="Set spec.source.persistentVolumeClaim.path to a folder of the volume that all may read, or upload again",
    again=Again.WHEN_CHANGED,
)
NO_OVERLAP: Final = Cause(
    reason=Reason.NO_OVERLAP,
    seen="COLMAP found no two photos from which a reconstruction can begin",
    message="The photos share too little to be put together",
    remedy="Photograph one subject so that neighbouring photos share at least 60 % of what they show, and name all of "
    "them in spec.source",
    again=Again.WHEN_CHANGED,
)
TOO_FEW_POINTS: Final = Cause(
    reason=Reason.TOO_FEW_POINTS,
    seen="photos show too little detail, or too few points came of them",
    message="Too few points could be reconstructed to show a cloud",
    remedy="Take more sharp, well-lit photos of a textured subject that overlap, and name them in spec.source",
    again=Again.WHEN_CHANGED,
)
UNREADABLE_POINTS: Final = Cause(
    reason=Reason.UNREADABLE_POINTS,
    seen="convert cannot read the `points.ply` that reconstruct left; the message says what is wrong with it",
    message="The points of the reconstruction cannot be read",
    remedy="Change spec.reconstruction, or create the PointcloudJob anew, so that they are made again; if they are "
    "damaged again, report it with the log of reconstruct",
    again=Again.WHEN_CHANGED,
)
UPSTREAM_MISSING: Final = Cause(
    reason=Reason.UPSTREAM_MISSING,
    seen="what the stage before left in the store is gone; the operator runs that stage again, at most twice",
    message="A file of the stage before is not in the store any more",
    remedy="Nothing at first; when it happens again and again, see what removes files from the store's volume or "
    "bucket (store in the install's values)",
    again=Again.BY_ITSELF,
)
STORE_UNAVAILABLE: Final = Cause(
    reason=Reason.STORE_UNAVAILABLE,
    seen="a stage, or the operator, has no answer from the store service",
    message="The store service does not answer",
    remedy="Look at the gateway's pods in the install's namespace: `kubectl get pods -l "
    "app.kubernetes.io/component=gateway -A`",
    again=Again.RETRIED,
)
STORE_FULL: Final = Cause(
    reason=Reason.STORE_FULL,
    seen="the store has no space left",
    message="The store's volume is full",
    remedy="Enlarge the install's PersistentVolumeClaim (store.size in its values), or delete PointcloudJobs with "
    "spec.output.deletionPolicy: Delete",
    again=Again.RETRIED,
)
OUT_OF_MEMORY: Final = Cause(
    reason=Reason.OUT_OF_MEMORY,
    seen="the kernel ended the program for memory: `OOMKilled`, or exit code 79",
    message="The {stage} stage was stopped because it needed more memory than {limit}",
    remedy="The next attempt has twice as much, up to stages.{stage}.maxMemory in the install's values; "
    "spec.stages.{stage}.resources.limits.memory gives it more at once",
    again=Again.BY_ITSELF,
)
OUT_OF_SCRATCH: Final = Cause(
    reason=Reason.OUT_OF_SCRATCH,
    seen="the scratch volume was full, or the pod was evicted for its `emptyDir` or ephemeral storage",
    message="The {stage} stage was stopped because it needed more scratch space than {limit}",
    remedy="The next attempt has twice as much, up to stages.{stage}.maxScratchSize in the install's values; "
    "stages.{stage}.scratchSize there gives it more at once",
    again=Again.BY_ITSELF,
)
INTERRUPTED: Final = Cause(
    reason=Reason.INTERRUPTED,
    seen="the pod was told to end, and ended in order",
    message="The pod was told to end before the stage was finished",
    remedy="Nothing to do: the stage goes on in another pod from its checkpoint. `kubectl get events` says who "
    "ended it",
    again=Again.BY_ITSELF,
)
BAD_SETTINGS: Final = Cause(
    reason=Reason.BAD_SETTINGS,
    seen="a stage image does not understand what the operator gives it",
    message="The stage's settings are not what it expects",
    remedy="Install the operator and the stage images of one version: image.tag in the install's values",
    again=Again.WHEN_CHANGED,
)
INTERNAL: Final = Cause(
    reason=Reason.INTERNAL,
    seen="a defect of the stage's program, or of the store",
    message="The stage ended on a defect of its program",
    remedy="Read the stage's log (log.txt in its pod's folder of the store, or `kubectl logs`), and report it",
    again=Again.RETRIED,
)
CAUSES: Final = (
    NO_IMAGES,
    TOO_FEW_IMAGES,
    UNREADABLE_IMAGES,
    DOWNLOAD_FAILED,
    ADDRESS_NOT_ALLOWED,
    BAD_ARCHIVE,
    UNSAFE_ARCHIVE,
    LIMIT_EXCEEDED,
    SOURCE_NOT_FOUND,
    NO_OVERLAP,
    TOO_FEW_POINTS,
    UNREADABLE_POINTS,
    UPSTREAM_MISSING,
    STORE_UNAVAILABLE,
    STORE_FULL,
    OUT_OF_MEMORY,
    OUT_OF_SCRATCH,
    INTERRUPTED,
    BAD_SETTINGS,
    INTERNAL,
)
_BY_REASON: Final = {cause.reason: cause for cause in CAUSES}


def said(stage: StageName, error: StageError) -> Remedied:
    """What the stage said. An image of one's own may have reasons of its own, and leave the remedy to us."""
    row = _BY_REASON.get(error.reason, INTERNAL)
    proper = error.reason.isascii() and error.reason.isidentifier()
    remedy = error.remedy.replace("<stage>", stage)
    return Remedied(
        reason=error.reason if proper else row.reason,
        message=plain(error.message, MAX_TOLD) or row.message.format_map(_Unsaid(stage=stage)),
        remedy=plain(remedy, MAX_TOLD) or row.remedy.format_map(_Unsaid(stage=stage)),
    )


class _Unsaid(dict[str, str]):
    """Figures of a row, of which some are not known."""

    def __missing__(self, key: str) -> str:
        return "it has" if key == "limit" else ""
