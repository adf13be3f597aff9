"""API keys in a folder that a kubelet keeps: which count, whose they are, and when they change."""

from pathlib import Path

import pytest

from pointcloud_gateway.access import api_keys
from pointcloud_gateway.access.api_keys import ApiKeys
from pointcloud_gateway.access.identity import User

LONG = "0123456789abcdefghij"
OTHER = "another-key-of-some-length"


class Volume:
    """A mounted Secret: files are links through `..data`, which the kubelet turns to a new folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = 0

    def hold(self, **keys: str) -> None:
        self._versions += 1
        version = self.folder / f"..{self._versions}"
        version.mkdir()
        for name, key in keys.items():
            (version / name).write_text(key)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        turned = self.folder / "..data_tmp"
        turned.symlink_to(version.name)
        turned.rename(self.folder / "..data")
        for link in self.folder.iterdir():
            if not link.name.startswith("..") and link.name not in keys:
                link.unlink()


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


def name_of(user: User | None) -> str | None:
    return None if user is None else user.name


async def test_a_key_is_a_user_of_its_name_and_in_the_group_of_all_keys(volume: Volume) -> None:
    volume.hold(scanner=f"{LONG}\n", camera=OTHER)
    keys = ApiKeys(volume.folder)
    groups = ("pointcloud:api-keys", "system:authenticated")
    assert await keys.user(LONG) == User("pointcloud:api-key:scanner", groups)
    assert name_of(await keys.user(OTHER)) == "pointcloud:api-key:camera"


@pytest.mark.parametrize("wrong", ["", LONG[:-1], f"{LONG}x", LONG.upper(), "scanner", "\x00", "ключ"])
async def test_what_is_no_key_is_nobodys(volume: Volume, wrong: str) -> None:
    volume.hold(scanner=LONG)
    assert await ApiKeys(volume.folder).user(wrong) is None


async def test_a_short_key_opens_nothing_and_is_named_in_the_log_once(
    volume: Volume, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(api_keys, "_READ_SECONDS", 0.0)
    volume.hold(scanner=LONG[1:], camera=OTHER, empty="")
    keys = ApiKeys(volume.folder)
    assert await keys.user(LONG[1:]) is None
    assert await keys.user("") is None
    assert await keys.user(OTHER) is not None
    assert [record.getMessage()[:16] for record in caplog.records] == ["API key empty is", "API key scanner "]
    assert LONG[1:] not in caplog.text


async def test_a_key_that_is_replaced_counts_no_longer(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "_READ_SECONDS", 0.0)
    volume.hold(scanner=LONG)
    keys = ApiKeys(volume.folder)
    assert await keys.user(LONG) is not None
    volume.hold(scanner=OTHER)
    assert await keys.user(LONG) is None
    assert name_of(await keys.user(OTHER)) == "pointcloud:api-key:scanner"
    volume.hold(camera=LONG)
    assert await keys.user(OTHER) is None
    assert name_of(await keys.user(LONG)) == "pointcloud:api-key:camera"


async def test_without_a_folder_or_keys_in_it_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / ".hidden").write_text(LONG)
    for folder in (None, tmp_path / "missing", tmp_path):
        assert await ApiKeys(folder).user(LONG) is None
