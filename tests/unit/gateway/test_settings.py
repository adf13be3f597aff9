"""The gateway's environment variables."""

import pytest
from pydantic import ValidationError

from pointcloud_gateway.settings import Settings


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTCLOUD_STORE_READERS", "one, two,")
    monkeypatch.setenv("POINTCLOUD_STORE_MANAGERS", "one")
    monkeypatch.setenv("POINTCLOUD_CORS_ORIGINS", "https://a.example")
    settings = Settings()
    assert settings.store_readers == ("one", "two")
    assert settings.store_managers == ("one",)
    assert settings.cors_origins == ("https://a.example",)


def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTCLOUD_STORE_PORT", "tcp://10.0.0.1:8081")
    with pytest.raises(ValidationError, match="store_port"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("RATE_LIMIT", "as many as you like", "as many as you like"),
        ("SIGNING_KEY", "short", "at least 32"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(f"POINTCLOUD_{name}", value)
    with pytest.raises(ValidationError, match=complaint):
        Settings()


def test_there_may_be_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTCLOUD_RATE_LIMIT", "")
    assert Settings().rate_limit == ""
