"""The table of injected faults: nothing that was not survived, or was lost, disappears in it."""

from pathlib import Path

import pytest

from tests.fixtures.faults import Injection, Ledgers
from tools.reliability import BEGIN, END, replaced, rows, table


def test_every_kind_of_fault_has_a_line_with_its_sums(tmp_path: Path) -> None:
    ledgers = Ledgers(tmp_path)
    ledgers.of("api-calls").record(
        Injection("409", "POST jobs #1", survived=True),
        Injection("409", "POST jobs #2", survived=False),
        Injection("500", "POST events #1", survived=True, lost="an Event"),
    )
    ledgers.of("model").record(Injection("a step", "decide", survived=True, times=20_000))
    assert table(rows(tmp_path)).splitlines()[2:] == [
        "| api calls | 409 | 2 | 2 | 1 | nothing |",
        "| api calls | 500 | 1 | 1 | 1 | an Event (1) |",
        "| model | a step | 1 | 20,000 | 20,000 | nothing |",
        "| **all** |  | 4 | 20,003 | 20,002 | an Event (1) |",
    ]


def test_a_fault_whose_assertions_fail_counts_as_not_survived(tmp_path: Path) -> None:
    ledger = Ledgers(tmp_path).of("node")
    with pytest.raises(AssertionError, match="lost"), ledger.injecting("kubelet killed", "convert"):
        raise AssertionError("lost")
    with ledger.injecting("kubelet killed", "ingest"):
        pass
    assert [injection.survived for injection in ledger.injections] == [False, True]
    assert "| node | kubelet killed | 2 | 2 | 1 | nothing |" in table(rows(tmp_path))


def test_the_table_replaces_what_is_between_the_marks() -> None:
    assert replaced(f"a\n{BEGIN}\nold\n{END}\nb\n", "new") == f"a\n{BEGIN}\nnew\n{END}\nb\n"
    with pytest.raises(ValueError, match="has no lines"):
        replaced("a", "new")


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="POINTCLOUD_FAULTS="):
        rows(tmp_path)
