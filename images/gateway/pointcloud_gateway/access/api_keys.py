"""Named keys for clients outside the cluster, from the folder of a mounted Secret.

The kubelet replaces such a folder's content by turning a symbolic link, so it is read again every second or so, not
watched: a key that is taken out of the Secret is worthless a second after the kubelet has told.
"""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pointcloud_gateway.access.identity import User
from pointcloud_gateway.cache import CoalescingCache

GROUP: Final = "pointcloud:api-keys"
"""Of every API key's user, for RBAC."""
MIN_KEY_LENGTH: Final = 20
"""Characters; what is shorter may be guessed."""
_READ_SECONDS: Final = 1.0
_MAX_KEY_BYTES: Final = 4096

_log = logging.getLogger(__name__)


class ApiKeys:
    """The keys in a folder: a file for each, named after it. Without a folder there are none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._refused: frozenset[str] = frozenset()
        self._digests = CoalescingCache(self._load, lifetime=lambda _: _READ_SECONDS)

    async def user(self, key: str) -> User | None:
        """Whose key this is, as a user that RoleBindings can name: `pointcloud:api-key:<name>`."""
        if self._folder is None:
            return None
        wanted = _digest(key)
        names = [
            name
            for name, digest in (await self._digests.get(self._folder)).items()
            if hmac.compare_digest(digest, wanted)
        ]
        return User(f"pointcloud:api-key:{names[0]}", (GROUP, "system:authenticated")) if names else None

    async def _load(self, folder: Path) -> Mapping[str, bytes]:
        keys = await asyncio.to_thread(_read, folder)
        refused = frozenset(name for name, key in keys.items() if len(key) < MIN_KEY_LENGTH)
        for name in sorted(refused - self._refused):
            _log.error(
                "API key %s is shorter than %d characters and opens nothing: make a longer one", name, MIN_KEY_LENGTH
            )
        self._refused = refused
        return {name: _digest(key) for name, key in keys.items() if name not in refused}


def _read(folder: Path) -> dict[str, str]:
    """The keys by name. A name that begins with a dot is the kubelet's own."""
    try:
        files = [file for file in sorted(folder.iterdir()) if not file.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {file.name: key for file in files if (key := _key(file)) is not None}


def _key(file: Path) -> str | None:
    try:
        with file.open("rb") as content:
            return content.read(_MAX_KEY_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError):  # gone since it was listed, a folder, or nothing that a header could carry
        return None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
