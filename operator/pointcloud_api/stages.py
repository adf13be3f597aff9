"""The contract between the operator and a stage's program: settings in, progress, then a result or an error out.

A stage image of one's own has to honour this module and nothing else. The document that the operator writes into
the environment variable ``POINTCLOUD_STAGE`` is a `StageDocument`; lines of progress on stdout are `ProgressLine`;
the termination message is a `Termination`; the exit code is an `ExitCode`.
"""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter

from pointcloud_api.base import ApiModel
from pointcloud_api.names import StageName, stage_prefix
from pointcloud_api.resource import (
    CameraModel,
    CameraSharing,
    Density,
    Encoding,
    Georeferencing,
    Mapper,
    Matching,
    Quality,
    ReconstructionExport,
)

DOCUMENT_VARIABLE: Final = "POINTCLOUD_STAGE"
"""Environment variable with the `StageDocument` as JSON: no secret and no presigned URL in it."""
URLS_VARIABLE: Final = "POINTCLOUD_URLS"
"""Environment variable with a JSON list of the source's URLs, whole: their query strings may be signatures, so they
are neither in the document nor in a key."""
POD_UID_VARIABLE: Final = "POINTCLOUD_POD_UID"
"""Environment variable with the pod's uid (downward API): the nonce of progress lines and the pod's own folder."""

TOKEN_FILE: Final = "/var/run/secrets/pointcloud/token"  # noqa: S105 - a path, not a secret
"""Projected service-account token of audience `names.STORE_AUDIENCE`; the kubelet renews it, so read it each time."""
SCRATCH_FOLDER: Final = "/scratch"
"""The only writable folder: node-local, gone with the pod. TMPDIR points into it."""
SOURCE_FOLDER: Final = "/source"
"""Where the ingest stage finds the user's PersistentVolumeClaim, read-only."""

MAX_PROGRESS_BYTES: Final = 512
MAX_TERMINATION_BYTES: Final = 3500
"""The kubelet keeps the last 4,096 bytes of a termination message; a longer one would lose its beginning."""


class ExitCode(IntEnum):
    """Exit codes of a stage, from sysexits.h. 134, 137 and 139 stay what the system makes of them."""

    DONE = 0
    BAD_DATA = 65
    """The photos cannot be used; trying again would not help."""
    NO_INPUT = 66
    """There is nothing at the source; trying again would not help."""
    INTERNAL = 70
    """A defect of ours; another try may help."""
    TRY_AGAIN = 75
    """Interrupted or a passing fault; what was finished is in the checkpoint."""
    BAD_SETTINGS = 78
    """The settings cannot be honoured; trying again would not help."""
    NEEDS_MORE = 79
    """More memory or scratch is needed than the pod has."""


FINAL_EXIT_CODES: Final = (ExitCode.BAD_DATA, ExitCode.NO_INPUT, ExitCode.BAD_SETTINGS)
"""Exit codes after which another pod of the same Job would fail the same way."""


class _Strict(ApiModel):
    """Both ends are of one version, so an unknown field is a defect."""

    model_config = ConfigDict(extra="forbid")


class IngestSettings(_Strict):
    """What determines the photos that arrive."""

    urls: tuple[str, ...] = ()
    """http(s) addresses without their query strings, in the order of `URLS_VARIABLE`."""
    claim_name: str | None = None
    path: str = ""
    """Folder in the claim, relative to its root."""
    upload_revision: int | None = None
    """Take every file recorded under this revision or an earlier one (`UploadRecord`)."""
    frames_per_second: int = 2
    """How many frames to take from a second of video, where `max_frames` allows it."""
    max_frames: int = 150
    """How many frames to take from one video at most."""
    rerun: str = ""
    """The spec's word; it changes the key and nothing else."""


class IngestLimits(_Strict):
    """Bounds on what a stranger may make the ingest stage do. Not part of the key: they change no result."""

    max_images: int = 5000
    max_image_pixels: int = 200_000_000
    max_image_bytes: int = 500_000_000
    max_total_bytes: int = 100_000_000_000
    """Of all files together, unpacked."""
    max_archive_ratio: int = 100
    """Unpacked bytes over packed bytes of one archive."""
    max_redirects: int = 5
    allow_private_addresses: bool = False
    """Whether a URL may resolve to a loopback, link-local, private or otherwise not globally routed address."""


class ReconstructSettings(_Strict):
    """What determines the reconstruction from given photos."""

    quality: Quality = Quality.MEDIUM
    matching: Matching = Matching.AUTO
    mapper: Mapper = Mapper.INCREMENTAL
    georeference: Georeferencing = Georeferencing.AUTO
    density: Density = Density.AUTO
    exports: tuple[ReconstructionExport, ...] = ()
    camera_model: CameraModel = CameraModel.SIMPLE_RADIAL
    camera_sharing: CameraSharing = CameraSharing.AUTO


class ConvertSettings(_Strict):
    """What determines the octree of a given reconstruction."""

    encoding: Encoding = Encoding.BROTLI


class _Document(_Strict):
    namespace: str
    name: str
    uid: str
    """Of the PointcloudJob."""
    key: str
    attempt: int
    store_url: str
    """Base URL of the store service, without a trailing slash."""

    stage: StageName

    @property
    def prefix(self) -> str:
        """This stage's folder in the store."""
        return self.prefix_of(self.stage, self.key)

    def prefix_of(self, stage: StageName, key: str) -> str:
        """The folder in the store of a stage of the same PointcloudJob."""
        return stage_prefix(stage=stage, namespace=self.namespace, name=self.name, uid=self.uid, key=key)


class IngestDocument(_Document):
    """The document of an ingest pod."""

    stage: Literal[StageName.INGEST] = StageName.INGEST
    settings: IngestSettings
    limits: IngestLimits = IngestLimits()


class ReconstructDocument(_Document):
    """The document of a reconstruct pod."""

    stage: Literal[StageName.RECONSTRUCT] = StageName.RECONSTRUCT
    upstream: str
    """Key of the ingest stage whose photos to use."""
    settings: ReconstructSettings
    previous_key: str | None = None
    """Key of an earlier run of this stage; the features that it left of photos with the same SHA-256, extracted with
    the same settings, need not be extracted again. It changes no result, so it is in no key."""
    device: Literal["gpu", "cpu"]
    """What the pod was given. With `gpu`, a missing CUDA device is a warning in the result, not a failure."""


class ConvertDocument(_Document):
    """The document of a convert pod."""

    stage: Literal[StageName.CONVERT] = StageName.CONVERT
    upstream: str
    """Key of the reconstruct stage whose points to use."""
    settings: ConvertSettings
    address: str | None = None
    """Where the page will be, with a trailing slash: told to those that show a picture of what a link leads to. In no
    key, as it changes nothing that is shown."""


StageDocument = Annotated[IngestDocument | ReconstructDocument | ConvertDocument, Field(discriminator="stage")]
STAGE_DOCUMENT: Final[TypeAdapter[StageDocument]] = TypeAdapter(StageDocument)
Settings = IngestSettings | ReconstructSettings | ConvertSettings


class Progress(_Strict):
    """How far a stage is."""

    nonce: str
    """The pod's uid: a file name that ends up on stdout cannot imitate a line of progress."""
    step: str = Field(max_length=32)
    """What is being done, one word: download, extract, match, map, octree, upload."""
    done: int = Field(ge=0)
    total: int | None = Field(default=None, ge=0)
    unit: str = Field(max_length=32)
    percent: int = Field(ge=0, le=100)
    """Of the whole stage; never goes back."""
    spared: int = Field(default=0, ge=0, le=100)
    """What of that this pod did not have to do, because others had done it: it took no time and tells no pace."""


class ProgressLine(_Strict):
    """One line of stdout, at most `MAX_PROGRESS_BYTES`."""

    progress: Progress


PROGRESS_WEIGHTS: Final = {StageName.INGEST: 5, StageName.RECONSTRUCT: 90, StageName.CONVERT: 5}
"""Percent of the whole job that each stage stands for: as 16 to 40 photos take on two CPU cores."""


def percent_before(stage: StageName) -> int:
    """Percent of the whole job that is done when a stage begins."""
    order = list(StageName)
    return sum(PROGRESS_WEIGHTS[earlier] for earlier in order[: order.index(stage)])


class Artefact(_Strict):
    """A file that a stage made. Its path is relative to the folder of the pod that made it."""

    path: str
    size: int
    """Bytes."""
    sha256: str


class StageWarning(_Strict):
    """Something the user should know though the stage succeeded."""

    reason: str
    """CamelCase, for machines."""
    message: str


class Figures(_Strict):
    """What is known of the result so far; a stage passes on what it was given and adds its own."""

    images_found: int | None = None
    images_usable: int | None = None
    images_registered: int | None = None
    images_reused: int | None = None
    """Photos whose features an earlier attempt or an earlier run had extracted."""
    models: int | None = None
    points: int | None = None
    """Of the cloud."""
    density: str | None = None
    """What the cloud is: sparse or dense."""
    mean_reprojection_error: float | None = None
    """Pixels."""
    mean_track_length: float | None = None
    device: str | None = None
    """What features were extracted and matched on: cpu or cuda."""
    nodes: int | None = None
    """Of the octree."""


class StageResult(_Strict):
    """What a finished stage leaves as `result.json` and as its termination message.

    `artefacts` lists the few files that others start from; a file of many parts (the photos) is listed by its
    manifest, which carries the lengths and hashes of the parts.
    """

    stage: StageName
    key: str
    pod_uid: str
    """The winner, whose folder holds the artefacts."""
    artefacts: tuple[Artefact, ...]
    figures: Figures = Figures()
    warnings: tuple[StageWarning, ...] = ()

    def artefact(self, path: str) -> Artefact | None:
        """The artefact of that path, or None."""
        return next((a for a in self.artefacts if a.path == path), None)


class Reason(StrEnum):
    """Reasons that stages give for an error. Users and dashboards match on them: names stay."""

    NO_IMAGES = "NoImages"
    TOO_FEW_IMAGES = "TooFewImages"
    UNREADABLE_IMAGES = "UnreadableImages"
    DOWNLOAD_FAILED = "DownloadFailed"
    ADDRESS_NOT_ALLOWED = "AddressNotAllowed"
    BAD_ARCHIVE = "BadArchive"
    UNSAFE_ARCHIVE = "UnsafeArchive"
    LIMIT_EXCEEDED = "LimitExceeded"
    SOURCE_NOT_FOUND = "SourceNotFound"
    NO_OVERLAP = "NoOverlap"
    TOO_FEW_POINTS = "TooFewPoints"
    UNREADABLE_POINTS = "UnreadablePoints"
    UPSTREAM_MISSING = "UpstreamMissing"
    """What the stage before left in the store is gone: the operator runs that stage again."""
    STORE_UNAVAILABLE = "StoreUnavailable"
    STORE_FULL = "StoreFull"
    OUT_OF_MEMORY = "OutOfMemory"
    OUT_OF_SCRATCH = "OutOfScratch"
    INTERRUPTED = "Interrupted"
    BAD_SETTINGS = "BadSettings"
    INTERNAL = "InternalError"


class StageError(_Strict):
    """Why a stage failed, in words for the user."""

    reason: str
    message: str
    """One sentence: what is wrong."""
    remedy: str
    """One sentence: what to do next."""


class Termination(_Strict):
    """The termination message: a result or an error."""

    result: StageResult | None = None
    error: StageError | None = None

    def encode(self) -> str:
        """JSON of at most `MAX_TERMINATION_BYTES`: warnings beyond the first ones and long texts give way.

        Raises ValueError when a result without any warning is still too long: a stage with that many artefacts
        must list them in a manifest.
        """
        message = self
        while len(text := message.model_dump_json(exclude_none=True).encode()) > MAX_TERMINATION_BYTES:
            message = message._shorter()
        return text.decode()

    def _shorter(self) -> Self:
        if self.error is not None:
            limit = max(len(self.error.message), len(self.error.remedy)) // 2
            update: dict[str, object] = {
                "message": _shorten(self.error.message, limit),
                "remedy": _shorten(self.error.remedy, limit),
            }
            return self.model_copy(update={"error": self.error.model_copy(update=update)})
        if self.result is not None and self.result.warnings:
            fewer = self.result.model_copy(update={"warnings": self.result.warnings[:-1]})
            return self.model_copy(update={"result": fewer})
        raise ValueError(f"a result exceeds {MAX_TERMINATION_BYTES} bytes: list its artefacts in a manifest")


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


class UploadPart(_Strict):
    """A piece of an uploaded file, an object of its own in the store."""

    path: str
    """Whole path in the store."""
    size: int
    sha256: str


class UploadedFile(_Strict):
    """A file that has arrived whole: its parts, one after the other."""

    id: str
    """Of the upload: 32 hexadecimal digits."""
    name: str
    """As the sender calls it, folders and all; never part of a path in the store."""
    size: int
    """Bytes, the sum of the parts'."""
    parts: tuple[UploadPart, ...]
    received_at: datetime


class UploadRecord(_Strict):
    """What arrived together, `<uploads>/records/<revision, 8 digits>-<anything>.json`; written by the gateway once all
    parts are stored, before it raises the PointcloudJob's `spec.source.upload.revision`.

    A run of revision r takes the files of all records of revisions up to r, each upload id once.
    """

    revision: int = Field(ge=1)
    files: tuple[UploadedFile, ...]


class Photo(_Strict):
    """A usable photo in the ingest stage's folder."""

    path: str
    """Relative to the folder of the pod that made it, below `images/`."""
    size: int
    sha256: str
    width: int
    height: int
    mask: Artefact | None = None
    """PNG of one channel and of the photo's size, below `masks/`: black is ignored. Its name is the photo's whole name
    and `.png`, as COLMAP looks for it."""


class Rejected(_Strict):
    """A file that looked like a photo and is not usable."""

    path: str
    reason: str


class PhotoManifest(_Strict):
    """`photos.json`, the ingest stage's artefact."""

    photos: tuple[Photo, ...]
    rejected: tuple[Rejected, ...] = ()


class Units(StrEnum):
    """What a length of 1 in a cloud is."""

    METRES = "metres"
    ARBITRARY = "arbitrary"
    """From photos alone, scale is not known."""


class OutputManifest(_Strict):
    """`outputs.json`, an artefact of the reconstruct stage: the files made for people, for them to download."""

    files: tuple[Artefact, ...]


PHOTO_MANIFEST: Final = "photos.json"
POINTS_FILE: Final = "points.ply"
"""The reconstruct stage's artefact that the convert stage starts from."""
VIEW_FILE: Final = "view.json"
"""Where to look from, in the coordinates of the points: written by reconstruct, read by convert and the viewer."""
LAZ_FILE: Final = "points.laz"
TRANSFORMS_FILE: Final = "transforms.json"
UNDISTORTED_FILE: Final = "undistorted.zip"
OUTPUT_MANIFEST: Final = "outputs.json"
OCTREE_METADATA: Final = "metadata.json"
VIEWER_PAGE: Final = "index.html"
THUMBNAIL_FILE: Final = "thumbnail.jpg"
"""A picture of the cloud, 640x400 pixels, made by convert."""
REPORT_FILE: Final = "report.json"
"""The reconstruct stage's account of itself."""
LOG_FILE: Final = "log.txt"
"""Each pod leaves its whole log in its own folder, so that logs outlive pods."""
