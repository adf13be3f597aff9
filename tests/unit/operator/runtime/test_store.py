"""The operator's side of the store, against the real one."""

import asyncio
from pathlib import Path

import pytest

from pointcloud_operator.model.observed import Fact
from pointcloud_operator.runtime.store import Store
from tests.fixtures.store import OPERATOR_TOKEN, StoreServer

KEY = "raw/a/job/uid/5f0c2a91d4"


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(OPERATOR_TOKEN)
    return file


@pytest.fixture
def leftover(store_server: StoreServer) -> Path:
    """A file that a pod of the key left."""
    file = store_server.folder / KEY / "winner" / "photos.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    return file


def erase(url: str, token: Path) -> Fact | None:
    return asyncio.run(Store(url, token).erase(KEY))


def test_a_folder_is_removed_and_one_that_is_gone_is_gone(
    store_server: StoreServer, token: Path, leftover: Path
) -> None:
    assert erase(store_server.url, token) is None
    assert not leftover.exists()
    assert erase(store_server.url, token) is None


def test_why_a_folder_stays_is_what_the_store_says(store_server: StoreServer, token: Path, leftover: Path) -> None:
    token.write_text(store_server.token(namespace="a", pod_uid="winner"))
    refusal = erase(store_server.url, token)
    assert refusal is not None
    assert refusal.reason == "NotAllowed"
    assert "403" in refusal.message
    assert leftover.exists()


def test_a_store_that_is_away_says_so(token: Path) -> None:
    refusal = erase("http://127.0.0.1:1", token)
    assert refusal is not None
    assert refusal.reason == "StoreUnavailable"
    assert "127.0.0.1:1" in refusal.message
