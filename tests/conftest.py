"""Fixtures that several folders of tests share, and what tests may run side by side."""

from pathlib import Path

import pytest
from PIL import Image  # noqa: F401 - pycolmap before Pillow in one process corrupts the heap on encoding a PNG

pytest_plugins = [
    "tests.fixtures.store",
    "tests.fixtures.browser",
    "tests.fixtures.pages",
    "tests.fixtures.postgres",
    "tests.fixtures.faults",
]

TESTS = Path(__file__).parent
END_TO_END = TESTS / "e2e"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep together what shares fixtures: the tests of a module, and all of the local cluster, of which there is one.

    These take the longest in a row. So where several processes run tests, one begins with them.
    """
    for item in items:
        at_the_cluster = item.path.is_relative_to(END_TO_END)
        item.add_marker(pytest.mark.xdist_group("e2e" if at_the_cluster else str(item.path.relative_to(TESTS))))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.path.is_relative_to(END_TO_END))
