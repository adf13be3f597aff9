"""Fixtures that several folders of tests share."""

pytest_plugins = ["tests.fixtures.store", "tests.fixtures.browser", "tests.fixtures.viewer"]
