"""The headers of the tus protocol 1.0.0, read. Pure. Each raises Problem (400) for what it cannot read."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

from pointcloud_gateway.problems import Problem
from pointcloud_gateway.uploads.filenames import NAMELESS, clean, decoded

VERSION: Final = "1.0.0"
BODY_TYPE: Final = "application/offset+octet-stream"
ALGORITHMS: Final[Mapping[str, Callable[..., Any]]] = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}

_NUMBER: Final = re.compile(r"\d{1,15}", re.ASCII)
_MAX_METADATA: Final = 8192
_NAME_KEYS: Final = ("filename", "name")
"""tus' own convention, and that of others."""


@dataclass(frozen=True)
class Checksum:
    """What a body should hash to."""

    algorithm: str
    digest: bytes

    def matches(self, body: bytes | bytearray) -> bool:
        """Whether it does."""
        actual: bytes = ALGORITHMS[self.algorithm](body).digest()
        return actual == self.digest


def number(name: str, text: str | None) -> int:
    """A header that is a number of bytes."""
    if text is None:
        raise Problem(400, f"The header {name} is missing.")
    if not _NUMBER.fullmatch(text):
        raise Problem(400, f"The header {name} is a number of bytes, not {text[:32]!r}.")
    return int(text)


def file_name(metadata: str) -> str:
    """The file's name in Upload-Metadata, made harmless."""
    if len(metadata) > _MAX_METADATA:
        raise Problem(400, f"Upload-Metadata has at most {_MAX_METADATA} characters.")
    pairs = dict(_pair(item.strip()) for item in metadata.split(",") if item.strip())
    raw = next((pairs[key] for key in _NAME_KEYS if pairs.get(key)), NAMELESS.encode())
    return clean(decoded(raw))


def checksum(text: str | None) -> Checksum | None:
    """Upload-Checksum, where there is one."""
    if text is None:
        return None
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise Problem(400, f"Upload-Checksum is by one of {', '.join(ALGORITHMS)}, not by {algorithm[:32]!r}.")
    digest = _base64("Upload-Checksum", encoded.strip())
    if len(digest) != ALGORITHMS[algorithm]().digest_size:
        raise Problem(400, f"Upload-Checksum has not the length of a {algorithm}.")
    return Checksum(algorithm, digest)


def http_date(moment: datetime) -> str:
    """As Upload-Expires has it. `moment` is UTC."""
    return format_datetime(moment, usegmt=True)


def _pair(item: str) -> tuple[str, bytes]:
    key, _, encoded = item.partition(" ")
    return key, _base64("Upload-Metadata", encoded.strip())


def _base64(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(400, f"The header {name} is not in Base64 where it should be.") from error
