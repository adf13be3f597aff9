"""Fixtures that several folders of tests share."""

from PIL import Image  # noqa: F401 - pycolmap before Pillow in one process corrupts the heap on encoding a PNG

pytest_plugins = [
    "tests.fixtures.store",
    "tests.fixtures.browser",
    "tests.fixtures.pages",
    "tests.fixtures.postgres",
    "tests.fixtures.faults",
]
