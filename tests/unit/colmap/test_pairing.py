"""Which pairs of photos are compared: by how many there are, and by when and where they say they were taken."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointcloud_api.resource import Matching
from pointcloud_api.stages import ExitCode, Reason
from pointcloud_colmap.exif import Position, Shot
from pointcloud_colmap.pairing import (
    ALIKE,
    ALSO_ALIKE,
    FEW,
    FEW_UNORDERED,
    NEIGHBOURS,
    Choice,
    Pairing,
    choose,
    neighbour_pairs,
    sequences,
    window_pairs,
)
from pointcloud_stage import StageFailure

NOON = datetime.fromisoformat("2026-05-04T12:00:00")
METRE = 1 / 111_195
"""In degrees of latitude."""


def grid(count: int, *, columns: int = 20, spacing: float = 10.0, beside: float = 0.0) -> dict[str, Shot]:
    """A drone's photos, line by line, at distances in metres; longitudes begin at `beside` degrees."""
    return {
        f"DJI_{index:04}.JPG": Shot(
            position=Position(
                index // columns * spacing * METRE, beside + index % columns * spacing * METRE, 80.0 + index % 3
            )
        )
        for index in range(count)
    }


def walk(count: int, *, first: int = 0, every: float = 3.0) -> dict[str, Shot]:
    """A person's photos, one after the other; the counter has four digits."""
    return {
        f"DSC_{(first + index) % 10_000:04}.JPG": Shot(taken=NOON + timedelta(seconds=every * index))
        for index in range(count)
    }


def frames(count: int, video: str = "walk.mp4") -> dict[str, Shot]:
    return {f"{video}/{index / 2:09.3f}s.jpg": Shot() for index in range(count)}


def bag(count: int) -> dict[str, Shot]:
    return {f"photo-{index:04}.jpg": Shot() for index in range(count)}


def without(shots: Mapping[str, Shot], share: float) -> dict[str, Shot]:
    """Every so many-th photo says nothing."""
    every = round(1 / share)
    return {name: Shot() if index % every == 0 else shot for index, (name, shot) in enumerate(shots.items())}


def pairing(shots: Mapping[str, Shot], asked: Matching = Matching.AUTO) -> Pairing:
    return choose(shots, asked).pairing


@pytest.mark.parametrize(
    ("shots", "chosen"),
    [
        ({}, Pairing.EXHAUSTIVE),
        (grid(FEW), Pairing.EXHAUSTIVE),
        (frames(FEW), Pairing.EXHAUSTIVE),
        (grid(FEW + 1), Pairing.SPATIAL),
        (without(grid(400), 0.2), Pairing.SPATIAL),
        (without(grid(400), 0.5), Pairing.VOCABULARY_TREE),
        (grid(400, spacing=0.5), Pairing.VOCABULARY_TREE),
        (frames(FEW + 1), Pairing.SEQUENTIAL),
        (frames(60, "a.mp4") | frames(60, "b.mp4"), Pairing.SEQUENTIAL),
        (frames(300) | bag(60), Pairing.SEQUENTIAL),
        (frames(150) | bag(150), Pairing.VOCABULARY_TREE),
        (walk(300), Pairing.SEQUENTIAL),
        (walk(300, first=9_900), Pairing.SEQUENTIAL),
        (walk(300, every=0), Pairing.VOCABULARY_TREE),
        (bag(FEW_UNORDERED), Pairing.EXHAUSTIVE),
        (bag(FEW_UNORDERED + 1), Pairing.VOCABULARY_TREE),
    ],
)
def test_auto_goes_by_how_many_there_are_and_by_what_they_say(shots: dict[str, Shot], chosen: Pairing) -> None:
    assert pairing(shots) is chosen


def test_names_in_another_order_than_times_are_no_sequence() -> None:
    names, shots = zip(*walk(300).items(), strict=True)
    shuffled = dict(zip(names, sorted(shots, key=lambda shot: str(shot.taken)[::-1]), strict=True))
    assert pairing(shuffled) is Pairing.VOCABULARY_TREE


@pytest.mark.parametrize("shots", [grid(400), frames(400), walk(400), bag(400)], ids=["grid", "video", "walk", "bag"])
def test_what_is_asked_for_is_done(shots: dict[str, Shot]) -> None:
    assert pairing(shots, Matching.EXHAUSTIVE) is Pairing.EXHAUSTIVE
    assert pairing(shots, Matching.SEQUENTIAL) is Pairing.SEQUENTIAL


def test_places_that_are_asked_for_and_that_nobody_knows_are_a_failure() -> None:
    with pytest.raises(StageFailure, match="0 of 30 photos say by EXIF GPS") as failure:
        choose(bag(30), Matching.SPATIAL)
    assert (failure.value.error.reason, failure.value.exit_code) == (Reason.BAD_SETTINGS, ExitCode.BAD_SETTINGS)
    assert "spec.reconstruction.matching to auto" in failure.value.error.remedy


def test_photos_without_a_place_among_others_are_compared_with_more_that_look_like_them() -> None:
    choice = choose(without(grid(30), 0.1), Matching.SPATIAL)
    assert choice.warning
    assert choice.warning.message.startswith("spec.reconstruction.matching is spatial, but 3 of 30 photos do not say")
    assert (choice.alike["DJI_0000.JPG"], choice.alike["DJI_0001.JPG"]) == (ALIKE, ALSO_ALIKE)
    assert choose(grid(30), Matching.SPATIAL).warning is None


def test_pairs_that_are_left_out_for_want_of_knowledge_are_told_of() -> None:
    choice = choose(bag(1000), Matching.AUTO)
    assert choice.warning
    assert "about 20 times the time of matching" in choice.warning.message
    assert [choose(shots, Matching.AUTO).warning for shots in (bag(50), grid(400), frames(400))] == [None] * 3


def test_the_neighbours_are_more_than_those_that_overlap_a_photo_of_a_survey_by_a_quarter() -> None:
    overlapping = [
        (along, across)
        for along, across in product(range(-9, 10), repeat=2)
        if max(0.0, 1 - 0.2 * abs(along)) * max(0.0, 1 - 0.3 * abs(across)) >= 0.25
    ]
    assert len(overlapping) - 1 == 26
    assert NEIGHBOURS > 26


@pytest.mark.parametrize("shots", [grid(2000, columns=40), frames(2000), bag(2000)], ids=["grid", "video", "bag"])
def test_no_choice_is_quadratic_by_surprise(shots: dict[str, Shot]) -> None:
    assert choose(shots, Matching.AUTO).expected(2000) <= 51 * 2000


@settings(deadline=None)
@given(st.integers(0, 300))
def test_no_more_pairs_are_expected_than_there_are(count: int) -> None:
    for matching in (Matching.AUTO, Matching.EXHAUSTIVE, Matching.SEQUENTIAL):
        assert choose(bag(count), matching).expected(count) <= count * (count - 1) // 2


# By order.


def test_a_sequence_is_ordered_as_a_person_would_and_by_folder() -> None:
    names = ["b/10.jpg", "b/9.jpg", "a/IMG_2.jpg", "a/img_10.jpg", "a/IMG_1.jpg"]
    assert sequences(dict.fromkeys(names, Shot())) == [
        ["b/9.jpg", "b/10.jpg"],
        ["a/IMG_1.jpg", "a/IMG_2.jpg", "a/img_10.jpg"],
    ]


@settings(deadline=None)
@given(st.integers(0, 1200))
def test_a_photo_is_compared_with_all_soon_after_it_and_some_later(count: int) -> None:
    names = [f"{index:04}" for index in range(count)]
    pairs = [(int(first), int(second)) for first, second in window_pairs(names)]
    assert len(pairs) == len(set(pairs)) <= 16 * count
    steps = {second - first for first, second in pairs}
    assert steps == {step for step in (*range(1, 11), 16, 32, 64, 128, 256, 512) if step < count}


# By place.


def distance(pair: Sequence[str], columns: int) -> float:
    rows, lines = zip(*(divmod(int(name[4:8]), columns) for name in pair), strict=True)
    return float(((rows[0] - rows[1]) ** 2 + (lines[0] - lines[1]) ** 2) ** 0.5)


@pytest.mark.parametrize("beside", [0.0, 8.5, 179.9995, -179.9995], ids=str)
def test_the_nearest_are_compared_on_every_meridian(beside: float) -> None:
    shots = grid(400, beside=beside)
    wrapped = {
        name: shot.position._replace(longitude=(shot.position.longitude + 180) % 360 - 180)
        for name, shot in shots.items()
        if shot.position
    }
    pairs = set(neighbour_pairs(wrapped))
    assert len(pairs) <= NEIGHBOURS * 400
    near = {pair for pair in combinations(sorted(shots), 2) if distance(pair, 20) <= 3}
    assert near <= pairs
    assert max(distance(pair, 20) for pair in pairs) < 9


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), max_size=80))
def test_pairs_of_any_places_are_pairs(places: list[tuple[float, float]]) -> None:
    positions = {f"{index:03}": Position(*place, None) for index, place in enumerate(places)}
    pairs = set(neighbour_pairs(positions))
    assert all(first < second for first, second in pairs)
    if len(places) <= NEIGHBOURS + 1:
        assert pairs == set(combinations(sorted(positions), 2))


def test_a_choice_says_why() -> None:
    reasons: dict[str, Choice] = {
        "400 of 400 photos say by EXIF GPS": choose(grid(400), Matching.AUTO),
        "400 of 400 photos are frames of videos": choose(frames(400), Matching.AUTO),
        "50 photos are few enough": choose(bag(50), Matching.AUTO),
        "asked for": choose(bag(50), Matching.SEQUENTIAL),
    }
    assert all(choice.why.startswith(words) for words, choice in reasons.items())
