"""How far an upload is, from the parts that exist."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointcloud_gateway.uploads.chain import Part, chain, reach

LENGTH = 24
CONTENT = bytes(range(LENGTH))


def part(offset: int, end: int) -> Part:
    piece = CONTENT[offset:end]
    return Part(offset, len(piece), hashlib.sha256(piece).hexdigest())


cuts = st.sets(st.integers(1, LENGTH - 1))
strays = st.lists(st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)).filter(lambda ends: ends[0] < ends[1]))


@given(cuts=cuts, strays=strays)
def test_whatever_else_there_is_a_chain_through_the_parts_is_the_file(
    cuts: set[int], strays: list[tuple[int, int]]
) -> None:
    whole = [part(start, end) for start, end in pairwise([0, *sorted(cuts), LENGTH])]
    parts = {*whole, *(part(*ends) for ends in strays)}
    assert reach(parts) == LENGTH
    assert b"".join(CONTENT[each.offset : each.end] for each in chain(parts, LENGTH)) == CONTENT


@given(strays=strays)
def test_an_offset_is_reached_only_without_a_gap(strays: list[tuple[int, int]]) -> None:
    parts = {part(*ends) for ends in strays}
    reachable = {0}
    for _ in parts:
        reachable |= {each.end for each in parts if each.offset in reachable}
    assert reach(parts) == max(reachable)
    for each in range(1, LENGTH + 1):
        if each in reachable:
            assert chain(parts, each)[-1].end == each
        else:
            with pytest.raises(ValueError, match=f"do not lead to {each} bytes"):
                chain(parts, each)


def test_nothing_is_a_chain_of_no_parts() -> None:
    assert reach([]) == 0
    assert chain([], 0) == ()


def test_a_part_is_named_by_what_it_is() -> None:
    piece = part(3, 9)
    assert Part.parse(piece.name, 6) == piece
    assert [Part.parse(name, 6) for name in ("outcome.json", "3-ab", f"{piece.name}x", "")] == [None] * 4
