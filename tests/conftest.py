"""Fixtures that several folders of tests share, and what tests may run side by side."""

import pytest
from PIL import Image  # noqa: F401 - pycolmap before Pillow in one process corrupts the heap on encoding a PNG
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = [
    "tests.fixtures.store",
    "tests.fixtures.browser",
    "tests.fixtures.pages",
    "tests.fixtures.postgres",
    "tests.fixtures.faults",
]


class OneClusterScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Keeps together what shares fixtures: the tests of a module, and all at the one local cluster."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return "tests/e2e" if module.startswith("tests/e2e/") else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneClusterScheduling:
    return OneClusterScheduling(config, log)
