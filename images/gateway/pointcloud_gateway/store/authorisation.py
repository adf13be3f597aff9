"""Who may touch which path of the store: one pure function over parsed paths.

A path is parsed once, after HTTP's own percent-decoding, and only its parsed form goes on to the objects; so there
is no second spelling of a path that the rules would see differently from the storage.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from pointcloud_api.names import RESULT_FILE, StageName

ROOTS: Final = frozenset(stage.root for stage in StageName)
"""First parts of every path: raw, processed, potree."""
MAX_PART_BYTES: Final = 240
"""Below the 255 bytes of a file name, because the storage appends a suffix while it writes."""
MAX_PATH_BYTES: Final = 1024
"""What S3 allows for a key."""

_RESERVED_SUFFIX = re.compile(r"#\d+$")
_KEY_PARTS: Final = 5
"""root/namespace/name/uid/key"""


class BadPathError(ValueError):
    """A path that no object can have; the text says why."""


class NotAllowedError(PermissionError):
    """The caller is known and may not do this; the text says what it may."""


class Access(StrEnum):
    """What is asked of a path."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"
    """Write only if nothing is there."""
    ERASE = "erase"
    """Remove all below it."""


@dataclass(frozen=True)
class Identity:
    """Whom the API server says a token belongs to."""

    username: str
    namespace: str | None = None
    """Of the service account; None for other users."""
    pod_uid: str | None = None
    """Of the pod the token is bound to; None when it is bound to none."""


@dataclass(frozen=True)
class ObjectPath:
    """A path whose parts are non-empty, printable and not relative."""

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a decoded path without leading or trailing slash. Raises BadPathError."""
        if len(text.encode(errors="surrogatepass")) > MAX_PATH_BYTES:
            raise BadPathError(f"a path has at most {MAX_PATH_BYTES} bytes")
        parts = tuple(text.split("/"))
        for part in parts:
            _check_part(part)
        if parts[0] not in ROOTS:
            raise BadPathError(f"a path begins with one of {', '.join(sorted(ROOTS))}, not with {parts[0]!r}")
        return cls(parts)

    def __str__(self) -> str:
        return "/".join(self.parts)


def _check_part(part: str) -> None:
    if part in {"", ".", ".."}:
        raise BadPathError(f"a part of a path cannot be {part!r}")
    if not part.isprintable():  # control characters, lone surrogates, bidirectional overrides
        raise BadPathError(f"a path holds printable characters only, unlike {part!r}")
    if len(part.encode()) > MAX_PART_BYTES:
        raise BadPathError(f"a part of a path has at most {MAX_PART_BYTES} bytes")
    if "\\" in part:
        raise BadPathError(f"a part of a path cannot hold a backslash: {part!r}")
    if _RESERVED_SUFFIX.search(part):  # obstore's LocalStore keeps unfinished uploads under such names
        raise BadPathError(f"a part of a path cannot end in '#' and digits: {part!r}")


@dataclass(frozen=True)
class Policy:
    """The rules. A pod reads its own namespace and writes its own folder; readers read all, managers erase."""

    readers: frozenset[str] = frozenset()
    """Usernames that may read every path and write none: the operator's."""
    managers: frozenset[str] = frozenset()
    """Usernames that may erase every path: the operator's."""

    def check(self, identity: Identity, access: Access, path: ObjectPath) -> None:
        """Raise NotAllowedError unless `identity` may do `access` to `path`."""
        if access is Access.READ:
            self._check_read(identity, path)
        elif access is Access.ERASE:
            self._check_erase(identity)
        else:
            _check_write(identity, access, path)

    def _check_read(self, identity: Identity, path: ObjectPath) -> None:
        if identity.username in self.readers or _owns(identity, path):
            return
        raise NotAllowedError(f"{identity.username} reads only below {{raw,processed,potree}}/{identity.namespace}/")

    def _check_erase(self, identity: Identity) -> None:
        if identity.username not in self.managers:
            raise NotAllowedError(f"{identity.username} removes nothing here: only the operator does")


def _owns(identity: Identity, path: ObjectPath) -> bool:
    return identity.namespace is not None and len(path.parts) > 1 and path.parts[1] == identity.namespace


def _check_write(identity: Identity, access: Access, path: ObjectPath) -> None:
    if _owns(identity, path) and identity.pod_uid is not None and len(path.parts) > _KEY_PARTS:
        below_key = path.parts[_KEY_PARTS:]
        if len(below_key) > 1 and below_key[0] == identity.pod_uid:
            return
        if access is Access.CREATE and below_key == (RESULT_FILE,):
            return
    raise NotAllowedError(
        f"{identity.username} (pod {identity.pod_uid}) writes only below "
        f"<root>/{identity.namespace}/<name>/<uid>/<key>/{identity.pod_uid}/, "
        f"and creates <root>/{identity.namespace}/<name>/<uid>/<key>/{RESULT_FILE} with If-None-Match: *"
    )
