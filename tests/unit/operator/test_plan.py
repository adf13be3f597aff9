from collections.abc import Mapping
from itertools import islice

from pointcloud_api.names import StageName
from pointcloud_api.resource import PointcloudJobSpec, StageStatus
from pointcloud_operator.model.plan import NOTHING_LEFT, PlannedStage, plan, renewals, renewed_key, spec_hash
from tests.unit.operator.builders import UID, Json


def planned(
    spec: Json | None = None,
    *,
    uid: str = UID,
    recorded: tuple[StageStatus, ...] = (),
    left: Mapping[str, bool] = NOTHING_LEFT,
) -> list[PlannedStage]:
    source = {"source": {"urls": ["https://example.com/ruin.zip?signature=1"]}}
    asked = PointcloudJobSpec.model_validate({**source, **(spec or {})})
    return list(plan(asked, uid=uid, recorded=recorded, left=left))


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
    camera = {"model": "OPENCV_FISHEYE"}, {"sharing": "Single"}
    lenses = [keys(planned({"reconstruction": {"camera": one}})) for one in camera]
    encoding = keys(planned({"pointcloud": {"encoding": "uncompressed"}}))
    assert [a == b for a, b in zip(before, quality, strict=True)] == [True, False, False]
    assert all([a == b for a, b in zip(before, lens, strict=True)] == [True, False, False] for lens in lenses)
    assert len({lens[1] for lens in lenses}) == 2
    assert [a == b for a, b in zip(before, encoding, strict=True)] == [True, True, False]


def test_what_changes_no_result_changes_no_key() -> None:
    signed = {"source": {"urls": ["https://user:word@example.com/ruin.zip?signature=2#there"]}}
    resources = {"stages": {"reconstruct": {"resources": {"limits": {"memory": "64Gi"}}}}}
    device = {"reconstruction": {"device": "cpu"}}
    assert keys(planned(signed)) == keys(planned(resources)) == keys(planned(device)) == keys(planned())


def test_arrivals_frames_and_reruns_are_in_every_key() -> None:
    upload = {"source": {"upload": {"revision": 1}}}
    video = {"framesPerSecond": 1}, {"maxFrames": 20}
    specs: tuple[Json, ...] = (
        {},
        upload,
        {"source": {"upload": {"revision": 2}}},
        {**upload, "rerun": "monday"},
        *({"source": {**upload["source"], "video": each}} for each in video),
    )
    several = [keys(planned(spec)) for spec in specs]
    assert all(len({one[stage] for one in several}) == len(specs) for stage in range(3))


def test_when_an_upload_arrived_is_in_no_key() -> None:
    upload = {"revision": 1, "receivedAt": "2026-05-04T12:00:00Z"}
    assert keys(planned({"source": {"upload": upload}})) == keys(planned({"source": {"upload": {"revision": 1}}}))


def test_a_job_made_again_under_the_same_name_shares_no_key() -> None:
    assert not set(keys(planned())) & set(keys(planned(uid="another")))


def test_equal_recorded_settings_keep_their_key() -> None:
    assert keys(planned(recorded=records(planned(), "a", "b", "c"))) == ["a", "b", "c"]


def test_a_setting_added_by_a_newer_version_keeps_the_key_at_its_default() -> None:
    ingest, reconstruct, convert = records(planned(), "a", "b", "c")
    older = convert.model_copy(update={"settings": {}})
    assert keys(planned(recorded=(ingest, reconstruct, older))) == ["a", "b", "c"]
    before_cameras = reconstruct.model_copy(update={"settings": {"quality": "medium"}})
    assert keys(planned(recorded=(ingest, before_cameras, older))) == ["a", "b", "c"]
    fisheye = {"reconstruction": {"camera": {"model": "OPENCV_FISHEYE"}}}
    assert keys(planned(fisheye, recorded=(ingest, before_cameras, older)))[1] != "b"


def test_settings_added_to_the_reconstruction_run_no_older_job_again() -> None:
    ingest, reconstruct, convert = records(planned(), "a", "b", "c")
    older = reconstruct.model_copy(update={"settings": {"quality": "medium"}})
    assert keys(planned(recorded=(ingest, older, convert))) == ["a", "b", "c"]
    for changed in ({"georeference": "none"}, {"exports": ["undistortedImages"]}):
        assert keys(planned({"reconstruction": changed}, recorded=(ingest, older, convert)))[1] != "b"


def test_a_reconstruction_recorded_before_there_were_choices_keeps_its_key_until_another_is_made() -> None:
    ingest, reconstruct, convert = records(planned(), "a", "b", "c")
    older = (ingest, reconstruct.model_copy(update={"settings": {"quality": "medium"}}), convert)
    assert keys(planned(recorded=older)) == ["a", "b", "c"]
    for choice in ({"matching": "spatial"}, {"mapper": "global"}, {"density": "dense"}):
        assert [
            a == b for a, b in zip(keys(planned({"reconstruction": choice}, recorded=older)), "abc", strict=True)
        ] == [
            True,
            False,
            False,
        ]
    judged = {"reconstruction": {"minRegisteredPercent": 50}}
    assert keys(planned(judged, recorded=older)) == ["a", "b", "c"]


def test_a_setting_that_only_a_newer_version_knows_keeps_the_key_too() -> None:
    ingest, reconstruct, convert = records(planned(), "a", "b", "c")
    newer = convert.model_copy(update={"settings": {**convert.settings, "inventedLater": "yes"}})
    assert keys(planned(recorded=(ingest, reconstruct, newer))) == ["a", "b", "c"]


def test_a_value_that_this_version_does_not_know_is_another_one() -> None:
    ingest, reconstruct, convert = records(planned(), "a", "b", "c")
    newer = reconstruct.model_copy(update={"settings": {"quality": "exquisite"}})
    assert keys(planned(recorded=(ingest, newer, convert)))[0] == "a"
    assert not {"b", "c"} & set(keys(planned(recorded=(ingest, newer, convert))))


def test_work_that_is_done_again_under_another_key_leaves_the_keys_after_it_what_they_were() -> None:
    first = planned()
    again = renewed_key(first[0], NOTHING_LEFT)
    ingest, reconstruct, convert = planned(recorded=records(first, again, first[1].key, first[2].key))
    assert (ingest.key, reconstruct.upstream) == (again, again)
    assert [reconstruct.key, convert.key] == keys(first)[1:]
    high = {"reconstruction": {"quality": "high"}}
    assert keys(planned(high, recorded=records(first, again, "b", "c")))[1:] == keys(planned(high))[1:]


def test_a_key_that_may_be_being_removed_is_not_taken_and_the_newest_other_one_is() -> None:
    stage = planned()[2]
    first, second, third = islice(renewals(stage.settings, stage.key), 3)

    def taken(**left: bool) -> str:
        names = {"first": first, "second": second, "third": third}
        return keys(planned(left={names[name]: may for name, may in left.items()}))[2]

    assert taken(first=True) == first
    assert taken(first=False) == taken(second=True) == taken(first=False, second=True) == second
    assert taken(first=True, second=False) == taken(second=False) == first
    assert taken(first=False, second=False) == taken(first=True, third=True) == third
    assert renewed_key(stage, {second: False}) == third


def test_after_a_changed_stage_recorded_keys_do_not_count() -> None:
    high = planned({"reconstruction": {"quality": "high"}}, recorded=records(planned(), "a", "b", "c"))
    assert high[0].key == "a"
    assert high[1].key not in {"b", "c"}
    assert high[2].key not in {"b", "c"}


def test_the_hash_of_a_spec_leaves_out_what_tries_nothing_again_and_what_is_at_its_default() -> None:
    def hashed(**fields: object) -> str:
        return spec_hash(
            PointcloudJobSpec.model_validate({"source": {"urls": ["https://example.com/a.zip"]}, **fields})
        )

    assert hashed(suspend=True) == hashed(webhooks=[{"url": "https://example.com"}]) == hashed(rerun="") == hashed()
    assert len({hashed(), hashed(rerun="x"), hashed(stages={"ingest": {"nodeSelector": {"a": "b"}}})}) == 3


def test_the_hash_of_a_spec_stays_when_a_newer_operator_knows_more_fields() -> None:
    class Newer(PointcloudJobSpec):
        surprise: str = "none"

    spec: Json = {"source": {"urls": ["https://example.com/a.zip"]}}
    assert spec_hash(Newer.model_validate(spec)) == spec_hash(PointcloudJobSpec.model_validate(spec))
