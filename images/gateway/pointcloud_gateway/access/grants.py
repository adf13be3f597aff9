"""What this install signs: links to one point cloud that need no credentials, and the secrets of webhooks.

A link says until when it is good, and what it opens stands in its address: `/shared/<grant>/<namespace>/<name>/`. The
signature also covers the PointcloudJob's uid, because a job deleted and made again is another job.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from typing import Final, Self

from pydantic import SecretStr

from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.objects import ObjectExistsError, ObjectMissingError, Objects
from pointcloud_gateway.problems import Problem

KEY_PATH: Final = "control/signing-key"
"""In the store. The store service gives access to the roots of stages only, and this is none."""
_KEY_BYTES: Final = 32
_GRANT: Final = re.compile(r"([1-9a-f][0-9a-f]{0,11})\.([A-Za-z0-9_-]{43})")


class Grants:
    """Signs and verifies with one key, which every replica has."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    async def open(cls, objects: Objects, signing_key: SecretStr | None) -> Self:
        """With the key of the settings, or else with one that is made once and kept in the store."""
        if signing_key is not None:
            return cls(signing_key.get_secret_value().encode())
        try:
            return cls(await objects.read_all(KEY_PATH))
        except ObjectMissingError:
            return cls(await _create(objects))

    def path(self, job_id: JobId, uid: str, *, expires: int) -> str:
        """The address, below the external URL, at which a PointcloudJob's page is open to all until `expires`.

        Args:
            job_id: Whose page.
            uid: Of that PointcloudJob.
            expires: Seconds since the epoch.
        """
        return f"/shared/{expires:x}.{self._signature(job_id, uid, expires)}/{job_id.namespace}/{job_id.name}/"

    def verify(self, grant: str, job_id: JobId, uid: str) -> bool:
        """Whether a grant was given for this PointcloudJob. Raises GrantExpired when it no longer counts."""
        match = _GRANT.fullmatch(grant)
        if match is None:
            return False
        expires = int(match[1], 16)
        if not hmac.compare_digest(match[2], self._signature(job_id, uid, expires)):
            return False
        if expires <= time.time():
            raise GrantExpired
        return True

    def webhook_secret(self, namespace: str) -> str:
        """What webhooks of a namespace's jobs are signed with, as Standard Webhooks writes it."""
        return f"whsec_{base64.b64encode(self._mac('webhook', namespace)).decode()}"

    def _signature(self, job_id: JobId, uid: str, expires: int) -> str:
        mac = self._mac("view", job_id.namespace, job_id.name, uid, f"{expires:x}")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def _mac(self, purpose: str, *parts: str) -> bytes:
        # No part can hold a line feed: they are DNS labels, a uid and a number.
        return hmac.digest(self._key, "\n".join((purpose, *parts)).encode(), hashlib.sha256)


class GrantExpired(Problem):
    """The link was good once."""

    def __init__(self) -> None:
        super().__init__(410, "This link has expired. Ask whoever sent it for a new one.", title="The link has expired")


async def _create(objects: Objects) -> bytes:
    key = secrets.token_bytes(_KEY_BYTES)
    try:
        await objects.create(KEY_PATH, key)
    except ObjectExistsError:
        return await objects.read_all(KEY_PATH)  # another replica was faster
    return key
