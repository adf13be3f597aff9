"""What an attempt is given: by the settings, and by what was too little before."""

from decimal import Decimal

import pytest
from hypothesis import given as example
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pointcloud_api.names import StageName
from pointcloud_api.resource import AttemptStatus
from pointcloud_operator.model.config import InstallConfig, StageConfig
from pointcloud_operator.model.growth import MAX_RAISES, Growth
from pointcloud_operator.model.quantities import amount, quantity
from pointcloud_operator.model.resources import Given, given
from tests.unit.operator.builders import CONFIG, Json, pointcloud_job

RECONSTRUCT = StageName.RECONSTRUCT


def tried(*, memory: str | None = None, scratch: str | None = None) -> AttemptStatus:
    return AttemptStatus(attempt=1, reason="OutOfMemory", memory=memory, scratch_size=scratch)


def has(
    *earlier: AttemptStatus,
    limits: Json | None = None,
    requests: Json | None = None,
    stage: StageName = RECONSTRUCT,
    config: InstallConfig = CONFIG,
) -> Given:
    wished = {"limits": limits or {}, "requests": requests or {}}
    job = pointcloud_job({"stages": {stage: {"resources": wished}}, "reconstruction": {"device": "cpu"}})
    return given(job, stage, config, earlier)


def with_stage(stage: StageName = RECONSTRUCT, **settings: object) -> InstallConfig:
    stages = CONFIG.stages.model_copy(update={stage: CONFIG.stages.of(stage).model_copy(update=settings)})
    return CONFIG.model_copy(update={"stages": stages})


# Quantities.


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("16Gi", "17179869184"),
        ("500m", "0.5"),
        (4, "4"),
        ("1e3", "1000"),
        ("1E", "1000000000000000000"),
        ("1.5Gi", "1610612736"),
        ("+.5k", "500"),
        ("100n", "0.0000001"),
    ],
)
def test_a_quantity_is_read_as_kubernetes_does(text: int | str, number: str) -> None:
    assert amount(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "16GB", "Gi", "1.2.3", "ten", "1 Gi", "16gi"])
def test_what_is_no_quantity_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="write one such as 4, 500m or 16Gi"):
        amount(text)


@pytest.mark.parametrize("text", ["16Gi", "1500M", "3G", "0", "7", "1Ti", "107374182400m", "1025"])
def test_a_quantity_is_written_with_the_largest_unit_that_needs_no_fraction(text: str) -> None:
    assert quantity(amount(text)) == text
    assert quantity(amount("16384Mi")) == "16Gi"


@settings(deadline=None)
@example(st.integers(min_value=0, max_value=2**63), st.integers(min_value=0, max_value=9))
def test_no_amount_is_lost_in_writing(number: int, digits: int) -> None:
    value = Decimal(number).scaleb(-digits)
    assert amount(quantity(value)) == value


def test_the_install_s_quantities_are_checked_when_they_are_read() -> None:
    for field in ("scratchSize", "maxMemory", "maxScratchSize"):
        with pytest.raises(ValidationError, match="64GB is no quantity"):
            StageConfig.model_validate({"image": "i", field: "64GB"})


# Settings.


def test_a_request_of_the_install_s_follows_a_lower_limit_of_the_user_s() -> None:
    assert has(limits={"memory": "1Gi"}).resources == {
        "limits": {"memory": "1Gi"},
        "requests": {"cpu": "2", "memory": "1Gi"},
    }


def test_a_limit_of_the_install_s_follows_a_higher_request_of_the_user_s() -> None:
    assert has(requests={"memory": "32Gi"}).limits == {"memory": "32Gi"}


def test_a_user_s_own_contradiction_is_left_to_kubernetes_to_refuse() -> None:
    wished = has(limits={"memory": "1Gi"}, requests={"memory": "2Gi"})
    assert (wished.limits["memory"], wished.requests["memory"]) == ("1Gi", "2Gi")


# Growth.


def test_twice_as_much_memory_and_a_request_of_what_was_too_little() -> None:
    grown = has(tried(memory="8Gi"), tried(memory="16Gi"))
    assert (grown.limits["memory"], grown.requests["memory"]) == ("32Gi", "16Gi")
    assert grown.scratch_size == has().scratch_size


def test_twice_as_much_scratch_and_room_for_it_on_the_node() -> None:
    grown = has(tried(scratch="20Gi"), limits={"ephemeral-storage": "25Gi"})
    assert grown.scratch_size == "40Gi"
    assert (grown.limits["ephemeral-storage"], grown.requests["ephemeral-storage"]) == ("40Gi", "20Gi")
    assert grown.limits["memory"] == "8Gi"
    ample = has(tried(scratch="20Gi"), limits={"ephemeral-storage": "100Gi"})
    assert ample.limits["ephemeral-storage"] == "100Gi", "a limit never shrinks"
    assert "ephemeral-storage" not in has(tried(scratch="20Gi")).limits, "a limit that nobody set is not made"


def test_what_a_user_asks_for_may_exceed_the_cap_and_then_does_not_shrink() -> None:
    assert has(limits={"memory": "128Gi"}).limits["memory"] == "128Gi"
    assert has(tried(memory="128Gi"), limits={"memory": "128Gi"}).limits["memory"] == "128Gi"


def test_a_changed_setting_is_what_the_next_attempt_has() -> None:
    history = (tried(memory="8Gi"), tried(memory="16Gi"), tried(memory="32Gi"))
    assert has(*history).limits["memory"] == "64Gi"
    assert has(*history, limits={"memory": "12Gi"}).limits["memory"] == "12Gi", "64Gi may be more than any node has"
    assert has(*history, limits={"memory": "16Gi"}).limits["memory"] == "64Gi", "less is known to be too little"


def test_the_same_amount_written_otherwise_is_the_same() -> None:
    assert has(tried(memory="8192Mi"), limits={"memory": 8589934592}).limits["memory"] == "16Gi"


def test_without_a_limit_there_is_nothing_to_raise() -> None:
    assert has(tried(memory="1Gi"), stage=StageName.INGEST).limits == {}


amounts = st.integers(min_value=1, max_value=2**50).map(Decimal)


@settings(deadline=None)
@example(base=amounts, cap=amounts)
def test_growth_never_exceeds_the_cap_never_shrinks_and_always_ends(base: Decimal, cap: Decimal) -> None:
    growth, raises = Growth(base, cap, ()), 0
    while grown := growth.after(growth.now):
        assert growth.now < grown.now <= cap
        growth, raises = grown, raises + 1
    assert raises <= MAX_RAISES
    assert growth.now >= cap or raises == MAX_RAISES
    assert growth.now >= base


@settings(deadline=None)
@example(base=amounts, cap=amounts, given_instead=amounts)
def test_growth_ends_where_somebody_else_decides_how_much_a_pod_has(
    base: Decimal, cap: Decimal, given_instead: Decimal
) -> None:
    growth: Growth | None = Growth(base, cap, ())
    for _ in range(3):
        growth = growth.after(given_instead) if growth else None
    assert growth is None


@settings(deadline=None)
@example(base=st.decimals(min_value=1, max_value=10**6, places=3), cap=amounts)
def test_what_has_grown_is_recognised_once_it_was_too_little(base: Decimal, cap: Decimal) -> None:
    """As it comes back from the API server in words."""
    grown = Growth(base, cap, ()).after(base)
    if grown:
        assert Growth(base, cap, grown.tried).now == amount(quantity(grown.now))
