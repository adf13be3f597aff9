"""What a sender calls a file, made harmless. It is shown to people and used by nobody as a path in the store."""

import re
import unicodedata
from typing import Final

MAX_PART: Final = 255
MAX_NAME: Final = 1024
NAMELESS: Final = "file"
_MAX_SUFFIX: Final = 16
_DRIVES: Final = re.compile(r"^(\s*[A-Za-z]:)+")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of what steers a terminal or a page, or has no shape."""


def clean(name: str) -> str:
    """The name with its folders, without drives, `.` and `..`; at most MAX_NAME characters, MAX_PART in each part.

    What is too long loses its beginning folders, then the middle of a part: the suffix says what a file is.
    """
    visible = "".join("_" if unicodedata.category(character) in _UNSEEN else character for character in name)
    given = (_DRIVES.sub("", part).strip() for part in visible.replace("\\", "/").split("/"))
    parts = [_shortened(part) for part in given if part not in {"", ".", ".."}]
    while len("/".join(parts)) > MAX_NAME:
        del parts[0]
    return "/".join(parts) or NAMELESS


def decoded(raw: bytes) -> str:
    """Bytes as text: UTF-8, with a replacement character for what is not."""
    return raw.decode("utf-8", errors="replace")


def _shortened(part: str) -> str:
    if len(part) <= MAX_PART:
        return part
    stem, dot, suffix = part.rpartition(".")
    ending = f"{dot}{suffix}" if stem and len(suffix) <= _MAX_SUFFIX else ""
    return part[: MAX_PART - len(ending)].rstrip() + ending
