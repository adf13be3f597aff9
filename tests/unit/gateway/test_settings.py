"""The gateway's environment variables."""

import pytest
from pydantic import ValidationError

from pointcloud_gateway.settings import Settings


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTCLOUD_STORE_READERS", "one, two,")
    monkeypatch.setenv("POINTCLOUD_CORS_ORIGINS", "https://a.example")
    settings = Settings()
    assert settings.store_readers == ("one", "two")
    assert settings.cors_origins == ("https://a.example",)


def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTCLOUD_STORE_PORT", "tcp://10.0.0.1:8081")
    with pytest.raises(ValidationError, match="store_port"):
        Settings()
