"""Where a stage program finds what the operator set up for it; tests put the same things elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pointcloud_api.stages import (
    DOCUMENT_VARIABLE,
    LOG_FILE,
    POD_UID_VARIABLE,
    SCRATCH_FOLDER,
    SOURCE_FOLDER,
    STAGE_DOCUMENT,
    TOKEN_FILE,
    ExitCode,
    Reason,
    StageDocument,
)
from pointcloud_stage.failure import StageFailure


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The surroundings of a stage program, from its environment variables."""

    document_json: str
    pod_uid: str
    scratch: Path
    source: Path
    token_file: Path
    termination_log: Path

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Environment":
        """Reads what is there; `document` complains about what is not."""

        def path(name: str, default: str) -> Path:
            return Path(variables.get(f"POINTCLOUD_{name}", default))

        return cls(
            document_json=variables.get(DOCUMENT_VARIABLE, ""),
            pod_uid=variables.get(POD_UID_VARIABLE, ""),
            scratch=path("SCRATCH", SCRATCH_FOLDER),
            source=path("SOURCE", SOURCE_FOLDER),
            token_file=path("TOKEN_FILE", TOKEN_FILE),
            termination_log=path("TERMINATION_LOG", "/dev/termination-log"),
        )

    @property
    def work(self) -> Path:
        """The stage program's own folder."""
        return self.scratch / "work"

    @property
    def temporary(self) -> Path:
        """For TMPDIR."""
        return self.scratch / "tmp"

    @property
    def log(self) -> Path:
        """The log of everything printed."""
        return self.scratch / LOG_FILE

    def make_folders(self) -> None:
        """Makes the folders in the scratch."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.temporary.mkdir(exist_ok=True)

    def document(self) -> StageDocument:
        """The operator's document. Raises StageFailure(BAD_SETTINGS) naming what is wrong with it."""
        if not self.pod_uid:
            raise _bad_settings(f"{POD_UID_VARIABLE} is not set.")
        try:
            return STAGE_DOCUMENT.validate_json(self.document_json)
        except ValueError as error:
            raise _bad_settings(f"{DOCUMENT_VARIABLE} cannot be read: {error}") from None


def _bad_settings(what: str) -> StageFailure:
    return StageFailure(
        Reason.BAD_SETTINGS,
        f"The stage's settings are not what it expects: {what}",
        "Install the operator and the stage images of one version.",
        exit_code=ExitCode.BAD_SETTINGS,
    )
