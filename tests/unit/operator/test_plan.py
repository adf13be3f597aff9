from pointcloud_api.names import StageName
from pointcloud_api.resource import PointcloudJobSpec, StageStatus
from pointcloud_operator.model.plan import PlannedStage, plan
from tests.unit.operator.builders import UID, Json


def planned(spec: Json | None = None, *, uid: str = UID, recorded: tuple[StageStatus, ...] = ()) -> list[PlannedStage]:
    source = {"source": {"urls": ["https://example.com/ruin.zip?signature=1"]}}
    return list(plan(PointcloudJobSpec.model_validate({**source, **(spec or {})}), uid=uid, recorded=recorded))


def keys(stages: list[PlannedStage]) -> list[str]:
    return [stage.key for stage in stages]


def records(stages: list[PlannedStage], *renamed: str) -> tuple[StageStatus, ...]:
    """The stages as recorded, with other keys, as another version of the operator would have made them."""
    return tuple(
        StageStatus(name=stage.name, key=key, settings=stage.recorded_settings(), job="x")
        for stage, key in zip(stages, renamed or keys(stages), strict=True)
    )


def test_each_stage_starts_from_the_one_before() -> None:
    ingest, reconstruct, convert = planned()
    assert [ingest.name, reconstruct.name, convert.name] == list(StageName)
    assert (ingest.upstream, reconstruct.upstream, convert.upstream) == (None, ingest.key, reconstruct.key)
    assert all(len(stage.key) == 10 for stage in (ingest, reconstruct, convert))


def test_a_changed_setting_changes_its_stage_and_those_after_it() -> None:
    before = keys(planned())
    quality = keys(planned({"reconstruction": {"quality": "high"}}))
    encoding = keys(planned({"pointcloud": {"encoding": "uncompressed"}}))
    assert [a == b for a, b in zip(before, quality, strict=True)] == [True, False, False]
    assert [a == b for a, b in zip(before, encoding, strict=True)] == [True, True, False]


def test_what_changes_no_result_changes_no_key() -> None:
    signed = {"source": {"urls": ["https://user:word@example.com/ruin.zip?signature=2#there"]}}
    resources = {"stages": {"reconstruct": {"resources": {"limits": {"memory": "64Gi"}}}}}
    device = {"reconstruction": {"device": "cpu"}}
    assert keys(planned(signed)) == keys(planned(resources)) == keys(planned(device)) == keys(planned())


def test_a_job_made_again_under_the_same_name_shares_no_key() -> None:
    assert not set(keys(planned())) & set(keys(planned(uid="another")))


def test_equal_recorded_settings_keep_their_key() -> None:
    assert keys(planned(recorded=records(planned(), "a", "b", "c"))) == ["a", "b", "c"]


def test_a_setting_added_by_a_newer_version_keeps_the_key_at_its_default() -> None:
    ingest, reconstruct, convert = records(planned(), "a", "b", "c")
    older = convert.model_copy(update={"settings": {}})
    assert keys(planned(recorded=(ingest, reconstruct, older))) == ["a", "b", "c"]


def test_after_a_changed_stage_recorded_keys_do_not_count() -> None:
    high = planned({"reconstruction": {"quality": "high"}}, recorded=records(planned(), "a", "b", "c"))
    assert high[0].key == "a"
    assert high[1].key not in {"b", "c"}
    assert high[2].key not in {"b", "c"}
