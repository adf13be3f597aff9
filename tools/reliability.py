"""Turns the accounts of injected faults into the table of docs/reliability.md: `python -m tools.reliability FOLDER`.

FOLDER holds the `<suite>.json` that the tests leave where POINTCLOUD_FAULTS says. With a second argument, the table
replaces what stands between the two marks in that file; without one it is printed.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

BEGIN: Final = "<!-- begin: injected faults -->"
END: Final = "<!-- end: injected faults -->"


@dataclass
class Row:
    """All faults of one kind in one suite."""

    points: set[str] = field(default_factory=set)
    injected: int = 0
    survived: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    def add(self, injection: dict[str, Any]) -> None:
        """Counts one entry of an account in."""
        times = injection["times"]
        self.points.add(injection["point"])
        self.injected += times
        self.survived += times if injection["survived"] else 0
        if injection["lost"]:
            self.lost[injection["lost"]] += times

    def cells(self) -> tuple[str, ...]:
        """Points, injected, survived, lost."""
        lost = "; ".join(f"{what} ({times:,})" for what, times in sorted(self.lost.items())) or "nothing"
        return f"{len(self.points):,}", f"{self.injected:,}", f"{self.survived:,}", lost


def rows(folder: Path) -> dict[tuple[str, str], Row]:
    """The table's rows by suite and kind of fault, in alphabetical order of suites.

    Raises:
        FileNotFoundError: When the folder holds no account.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no account of faults: run the tests with POINTCLOUD_FAULTS={folder}")
    found: dict[tuple[str, str], Row] = {}
    for file in files:
        account = json.loads(file.read_text())
        for injection in account["injections"]:
            found.setdefault((account["suite"].replace("-", " "), injection["kind"]), Row()).add(injection)
    return found


def table(found: dict[tuple[str, str], Row]) -> str:
    """The table in Markdown, with a line of sums."""
    whole = Row(
        points={f"{suite}: {point}" for (suite, _), row in found.items() for point in row.points},
        injected=sum(row.injected for row in found.values()),
        survived=sum(row.survived for row in found.values()),
        lost=sum((row.lost for row in found.values()), Counter()),
    )
    return "\n".join(
        (
            "| where | fault | points | injected | survived | lost |",
            "|---|---|---:|---:|---:|---|",
            *(_line((suite, kind, *row.cells())) for (suite, kind), row in found.items()),
            _line(("**all**", "", *whole.cells())),
        )
    )


def replaced(text: str, new: str) -> str:
    """The text with what stands between the marks replaced.

    Raises:
        ValueError: When the marks are not there.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the file has no lines {BEGIN} and {END}: put them where the table belongs")
    return f"{head}{BEGIN}\n{new}\n{END}{tail}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Prints the table, or puts it into a file."""
    if len(sys.argv) not in {2, 3}:
        sys.exit("python -m tools.reliability FOLDER [FILE]: the accounts, and the file that holds the table")
    try:
        made = table(rows(Path(sys.argv[1])))
        if len(sys.argv) == 2:
            print(made)
        else:
            file = Path(sys.argv[2])
            file.write_text(replaced(file.read_text(), made))
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"tools.reliability: {error}")


if __name__ == "__main__":
    main()
