import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointcloud_stage.console import MAX_LINE, Console, escape


@given(st.binary())
def test_an_escaped_line_is_one_printable_line_that_is_no_object(raw: bytes) -> None:
    text = escape(raw)
    assert all(c.isprintable() or c == "\t" for c in text)
    assert not text.lstrip().startswith("{")


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_a_plain_line_stays_as_it_is(ending: bytes) -> None:
    assert escape("Größe 3 µm".encode() + ending) == "Größe 3 µm"


def test_copied_output_is_cut_line_by_line(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a stream with a descriptor
        console = Console(nowhere, log)
        console.copy(io.BytesIO(b"a" * MAX_LINE * 3 + b"\nshort\n" + b"b" * MAX_LINE + b"\nend"))
    assert log.read_text().splitlines() == ["a" * MAX_LINE + " …", "short", "b" * MAX_LINE, "end"]
    assert console.last_line == "end"


def test_the_last_line_for_a_message_is_none_of_a_stack(tmp_path: Path) -> None:
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a stream with a descriptor
        console = Console(nowhere, tmp_path / "log.txt")
        for line in [b"Check failed: n > 0", b"*** Check failure stack trace: ***", b"    @     0x7f main"]:
            console.line(line)
    assert console.last_line == "Check failed: n > 0"
