"""Grows all branches of an octree on several threads.

A branch is joined from its children by the thread that grows the last of them. So no thread waits for another, and what
is joined is still in the processor's cache.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from pointcloud_potree.branches import Branches, Finished, Top
from pointcloud_potree.plan import Cell, Plan
from pointcloud_potree.runs import Counts, Runs
from pointcloud_potree.workers import Workers


@dataclass
class _Branch:
    """A branch with points, which grows from a chunk or from its children."""

    cell: Cell
    children: list["_Branch"]
    parent: "_Branch | None" = None
    top: Top | None = None
    """From when it has grown until its parent has."""
    final: Future[list[Finished]] = field(default_factory=Future)
    _grown_children: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        for child in self.children:
            child.parent = self

    def count_child(self) -> bool:
        """Note that one more child has grown, and tell whether all have."""
        with self._lock:
            self._grown_children += 1
            return self._grown_children == len(self.children)

    def take_tops(self) -> list[Top]:
        """Those of the children, which let go of them."""
        tops = [child.top for child in self.children if child.top is not None]
        for child in self.children:
            child.top = None
        return tops


def grow_all(branches: Branches, plan: Plan, runs: Runs, workers: Workers) -> Iterator[Future[list[Finished]]]:
    """What becomes final with each branch, children before their parents, in the order of octree.bin.

    A chunk is given to the workers when it is asked for. Where one fails, its parents are never done. Whoever has
    written a list's parts should empty it, for it is kept.
    """
    for branch in _post_order(plan, runs.counts()):
        if branch.cell.chunk is not None:
            workers.submit(partial(_grow, branches, branch, runs, branch.cell.chunk))
        yield branch.final


def _post_order(plan: Plan, counts: Counts) -> list[_Branch]:
    found: list[_Branch] = []
    waiting: list[_Branch] = []
    for cell in plan.cells:
        children: list[_Branch] = []
        while cell.chunk is None and waiting and waiting[-1].cell.level == cell.level + 1:
            children.insert(0, waiting.pop())
        if children or (cell.chunk is not None and counts[cell.chunk]):
            waiting.append(_Branch(cell, children))
            found.append(waiting[-1])
    return found


def _grow(branches: Branches, branch: _Branch, runs: Runs, chunk: int) -> None:
    """Grow a branch from its chunk, and all above it whose last child it is."""
    growing: _Branch | None = branch
    while growing is not None:
        try:
            if growing.children:
                growing.top, final = branches.join(growing.cell, growing.take_tops())
            else:
                growing.top, final = branches.grow(growing.cell, runs.chunk(chunk))
            if growing.parent is None:
                final.append(branches.finish(growing.top))
        except BaseException as error:  # noqa: BLE001 - for whoever waits for the branch
            growing.final.set_exception(error)
            return
        growing.final.set_result(final)
        above = growing.parent
        growing = above if above is not None and above.count_child() else None
