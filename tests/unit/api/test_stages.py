"""The stage contract keeps its bounds: what does not fit a termination message gives way, in a useful order."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pointcloud_api.names import MAX_NAME_LENGTH, StageName, stage_job_name
from pointcloud_api.stages import (
    MAX_TERMINATION_BYTES,
    STAGE_DOCUMENT,
    Artefact,
    ConvertSettings,
    IngestDocument,
    IngestSettings,
    StageError,
    StageResult,
    StageWarning,
    Termination,
)

ARTEFACT = Artefact(path="points.ply", size=12, sha256="0" * 64)


def result(*warnings: StageWarning, artefacts: int = 1) -> StageResult:
    return StageResult(
        stage=StageName.RECONSTRUCT, key="k", pod_uid="p", artefacts=(ARTEFACT,) * artefacts, warnings=warnings
    )


@given(st.lists(st.text(max_size=800), max_size=12))
def test_termination_with_a_result_always_fits_and_keeps_its_artefacts(messages: list[str]) -> None:
    warnings = [StageWarning(reason="Something", message=message) for message in messages]
    text = Termination(result=result(*warnings)).encode()
    assert len(text.encode()) <= MAX_TERMINATION_BYTES
    kept = Termination.model_validate_json(text).result
    assert kept is not None
    assert kept.artefacts == (ARTEFACT,)
    assert list(kept.warnings) == warnings[: len(kept.warnings)]


@given(st.text(max_size=20_000), st.text(max_size=20_000))
def test_termination_with_an_error_always_fits_and_keeps_its_reason(message: str, remedy: str) -> None:
    text = Termination(error=StageError(reason="NoOverlap", message=message, remedy=remedy)).encode()
    assert len(text.encode()) <= MAX_TERMINATION_BYTES
    assert json.loads(text)["error"]["reason"] == "NoOverlap"


def test_a_result_with_too_many_artefacts_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="manifest"):
        Termination(result=result(artefacts=60)).encode()


def test_a_document_comes_back_as_what_it_was() -> None:
    document = IngestDocument(
        namespace="n", name="a", uid="u", key="k", attempt=1, store_url="http://s", settings=IngestSettings(path="p/")
    )
    assert STAGE_DOCUMENT.validate_json(document.model_dump_json()) == document


def test_a_document_with_a_field_that_the_stage_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        ConvertSettings.model_validate({"encoding": "brotli", "surprise": 1})


def test_the_longest_name_makes_a_job_name_that_fits_a_label() -> None:
    longest = max(
        stage_job_name(name="n" * MAX_NAME_LENGTH, stage=stage, key="0" * 10, attempt=99) for stage in StageName
    )
    assert len(longest) <= 63
