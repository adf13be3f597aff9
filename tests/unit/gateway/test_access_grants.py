"""Links and secrets that one key signs: what each opens, and nothing else."""

import time
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook

from pointcloud_gateway.access.grants import KEY_PATH, GrantExpired, Grants
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.store.authorisation import BadPathError, ObjectPath

GRANTS = Grants(b"k" * 32)
WALL = JobId("a", "wall")
UID = "0c9d2c5e-1111-4222-8333-444455556666"
TOMORROW = int(time.time()) + 86_400


def grant_of(path: str) -> str:
    return path.split("/")[2]


def test_a_link_opens_the_job_it_was_made_for() -> None:
    path = GRANTS.path(WALL, UID, expires=TOMORROW)
    assert path.endswith("/a/wall/")
    assert GRANTS.verify(grant_of(path), WALL, UID)


@pytest.mark.parametrize(
    ("job_id", "uid"),
    [(JobId("a", "other"), UID), (JobId("b", "wall"), UID), (WALL, "another-uid"), (JobId("a", "wall\na"), UID)],
)
def test_a_link_opens_no_other_job(job_id: JobId, uid: str) -> None:
    assert not GRANTS.verify(grant_of(GRANTS.path(WALL, UID, expires=TOMORROW)), job_id, uid)


def test_a_link_of_another_install_opens_nothing() -> None:
    assert not GRANTS.verify(grant_of(Grants(b"o" * 32).path(WALL, UID, expires=TOMORROW)), WALL, UID)


def test_a_link_ends() -> None:
    with pytest.raises(GrantExpired):
        GRANTS.verify(grant_of(GRANTS.path(WALL, UID, expires=int(time.time()))), WALL, UID)


def test_the_end_of_a_link_cannot_be_moved() -> None:
    expiry, _, signature = grant_of(GRANTS.path(WALL, UID, expires=int(time.time()) - 1)).partition(".")
    assert not GRANTS.verify(f"{int(expiry, 16) + 3600:x}.{signature}", WALL, UID)
    assert not GRANTS.verify(f"0{expiry}.{signature}", WALL, UID)


@given(st.one_of(st.text(), st.from_regex(r"[0-9a-f]{1,20}\.[A-Za-z0-9_-]{40,46}={0,2}\n?", fullmatch=True)))
def test_nothing_invented_is_a_grant(grant: str) -> None:
    assume(grant != grant_of(GRANTS.path(WALL, UID, expires=TOMORROW)))
    assert not GRANTS.verify(grant, WALL, UID)


def test_each_namespaces_webhooks_have_a_secret_that_standard_webhooks_takes() -> None:
    assert GRANTS.webhook_secret("a") == Grants(b"k" * 32).webhook_secret("a")
    assert len({GRANTS.webhook_secret("a"), GRANTS.webhook_secret("b"), Grants(b"o" * 32).webhook_secret("a")}) == 3
    assert Webhook(GRANTS.webhook_secret("a"))


async def test_a_key_is_made_once_and_kept_where_the_store_service_does_not_lead(tmp_path: Path) -> None:
    objects = Objects.open(tmp_path.as_uri())
    first, second = await Grants.open(objects, None), await Grants.open(objects, None)
    assert second.verify(grant_of(first.path(WALL, UID, expires=TOMORROW)), WALL, UID)
    assert len((tmp_path / KEY_PATH).read_bytes()) == 32
    with pytest.raises(BadPathError):
        ObjectPath.parse(KEY_PATH)


async def test_the_settings_key_goes_before_the_stores(tmp_path: Path) -> None:
    grants = await Grants.open(Objects.open(tmp_path.as_uri()), SecretStr("k" * 32))
    assert grants.webhook_secret("a") == GRANTS.webhook_secret("a")
    assert not (tmp_path / KEY_PATH).exists()
