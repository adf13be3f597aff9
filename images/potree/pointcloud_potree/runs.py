"""Brings all points to their chunks, in memory while there is room and through a scratch file beyond.

Points are taken in until memory is full, brought to the order of the chunks, and written to scratch as one *run*; then
the next. A chunk is read back as one piece of every run, so both writing and reading go over the disk in long strides.
A cloud that fits into memory is one run that is never written.
"""

import itertools
import os
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pointcloud_potree import kernels
from pointcloud_potree.plan import Plan
from pointcloud_potree.points import BLOCK_POINTS, Portion
from pointcloud_potree.rows import RowLayout, Rows
from pointcloud_potree.workers import Workers

Counts = npt.NDArray[np.int64]


class _Located(NamedTuple):
    """The rows of one block, the chunk of each, and how many are in each chunk."""

    rows: Rows
    chunks: npt.NDArray[np.uint32]
    counts: Counts


class _Room(NamedTuple):
    """What each of several runs is made in, lest what one has freed is not at hand for the next."""

    rows: Rows
    """As they come."""
    chunks: npt.NDArray[np.uint32]
    """Of each."""
    ordered: Rows
    """The same rows by their chunks."""


@dataclass(frozen=True)
class _Run:
    """Points in the order of their chunks: in memory, or in a file from an offset in bytes.

    Attributes:
        bounds: int64 (C + 1,), where the chunks begin and end among the run's rows.
    """

    bounds: Counts
    rows: Rows | None
    file: IO[bytes] | None
    offset: int


class Runs:
    """All points by chunk. A context: its scratch file is gone at its end, as it is when the process is killed."""

    def __init__(self, layout: RowLayout, plan: Plan, *, points: int, capacity: int, scratch: Path) -> None:
        """Empty as yet.

        Args:
            layout: Of the rows.
            plan: Has the chunks.
            points: The most that there may be.
            capacity: As many as memory has room for; `bytes_a_point` tells how much each takes.
            scratch: The folder to put more than that in.
        """
        self._layout = layout
        self._first = plan.first
        self._table, self._shift = plan.table(), plan.shift
        self._capacity = max(capacity, BLOCK_POINTS)
        self._room = self._make_room() if points > self._capacity else None
        self._folder = scratch
        self._scratch: IO[bytes] | None = None
        self._runs: list[_Run] = []

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the disk back."""
        if self._scratch is not None:
            self._scratch.close()

    def take_in(self, portions: Iterator[Portion], workers: Workers) -> Iterator[int]:
        """Take in all points, which the workers decode; yields after each portion how many they are by now.

        Raises:
            OSError: The scratch file cannot grow.
        """
        left, taken = deque(itertools.islice(portions, 1)), 0
        while left:
            waiting: list[_Located] = []
            for located in workers.in_order(lambda item: self._locate(*item), self._fitting(left, portions)):
                waiting.append(located)
                taken += len(located.rows)
                yield taken
            self._add_run(waiting, workers)
        self._room = None

    def _fitting(self, left: deque[Portion], portions: Iterator[Portion]) -> Iterator[tuple[int, Portion]]:
        """Portions that a run has room for, each with its place there; the first that has none is left."""
        first = 0
        for portion in itertools.chain([left.popleft()], portions):
            if first + portion.count > self._capacity:
                left.append(portion)
                return
            yield first, portion
            first += portion.count

    def counts(self) -> Counts:
        """The points of each chunk: int64 (C,)."""
        counts: Counts = np.sum([np.diff(run.bounds) for run in self._runs], axis=0, dtype=np.int64)
        return counts

    def chunk(self, number: int) -> Rows:
        """A chunk's points in the order in which they were taken in. Several threads may call it."""
        parts = [self._part(run, number) for run in self._runs]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _make_room(self) -> _Room:
        shape = self._capacity, self._layout.words
        return _Room(np.empty(shape, np.uint64), np.empty(self._capacity, np.uint32), np.empty(shape, np.uint64))

    def _locate(self, first: int, portion: Portion) -> _Located:
        block = portion.decode()
        count = len(block.positions)
        if self._room is None:
            rows, chunks = np.empty((count, self._layout.words), np.uint64), np.empty(count, np.uint32)
        else:
            rows, chunks = self._room.rows[first : first + count], self._room.chunks[first : first + count]
        self._layout.fill(block, rows)
        counts = np.zeros(len(self._first), np.int64)
        kernels.locate(rows, self._first, self._table, self._shift, chunks, counts)
        return _Located(rows, chunks, counts)

    def _add_run(self, waiting: list[_Located], workers: Workers) -> None:
        """Make a run of what waits, and let go of it."""
        totals = np.sum([located.counts for located in waiting], axis=0, dtype=np.int64)
        bounds = np.concatenate([[0], np.cumsum(totals)])
        shape = int(bounds[-1]), self._layout.words
        rows = np.empty(shape, np.uint64) if self._room is None else self._room.ordered[: shape[0]]
        # Each block's rows follow those of the blocks before it, chunk by chunk, whichever is moved first.
        starts = bounds[:-1].copy()
        moves: list[tuple[_Located, Counts]] = []
        for located in waiting:
            moves.append((located, starts.copy()))
            starts += located.counts
        waiting.clear()
        moves.reverse()
        work = (moves.pop() for _ in range(len(moves)))
        for _ in workers.in_order(lambda move: kernels.scatter(move[0].rows, move[0].chunks, move[1], rows), work):
            pass
        self._runs.append(_Run(bounds, rows, None, 0) if self._room is None else self._spilled(bounds, rows))

    def _spilled(self, bounds: Counts, rows: Rows) -> _Run:
        """Write a run to scratch."""
        if self._scratch is None:
            self._scratch = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by __exit__
        offset = self._scratch.tell()
        self._scratch.write(rows.data)
        self._scratch.flush()
        return _Run(bounds, None, self._scratch, offset)

    def _part(self, run: _Run, number: int) -> Rows:
        start, end = run.bounds[number : number + 2].tolist()
        if run.rows is not None:
            return run.rows[start:end]
        rows = np.empty((end - start, self._layout.words), np.uint64)
        if run.file is not None and end > start:
            _read_into(run.file, rows, run.offset + start * rows.itemsize * self._layout.words)
        return rows


def bytes_a_point(layout: RowLayout) -> int:
    """Of memory, when a run is made: each row twice, and its chunk."""
    return 2 * 8 * layout.words + 4


def _read_into(file: IO[bytes], rows: Rows, offset: int) -> None:
    """Fill the rows with the bytes from an offset, whatever the file's own position."""
    rest = rows.data.cast("B")
    while rest:
        done = os.preadv(file.fileno(), [rest], offset)
        if done == 0:
            raise OSError("the scratch file is shorter than what was written to it")
        rest, offset = rest[done:], offset + done
