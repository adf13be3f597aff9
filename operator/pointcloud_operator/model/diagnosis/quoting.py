"""Other programs' words within our own: on one line, harmless, and short enough that what we advise is not cut off."""

import re
from typing import Final

MAX_HEARD: Final = 4096
"""Characters that are looked at of what another program says: a webhook may say megabytes."""
MAX_DETAIL: Final = 400
"""Bytes of what another program says within a message: with what stands around it, it fits an Event (1,024 bytes)."""
MAX_NAME: Final = 80
"""Bytes of a name that another program gives."""
MAX_LAST_WORDS: Final = 240
"""Bytes of the end of a log."""
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_TELLING_NOTHING: Final = ("@", "***", "PC: @", '{"progress"')
"""How glog begins the lines of a stack, and stages their progress: neither explains a death to anybody."""


def plain(text: str, limit: int = MAX_DETAIL) -> str:
    """The text on one line of at most `limit` bytes, without its last full stop, control characters escaped."""
    return _cut(_one_line(text[:MAX_HEARD]).rstrip(" ."), limit)


def last_words(log: str) -> str:
    """The end of a log as quoted words, its last lines first to stay; empty where it holds none."""
    told = map(_one_line, log[-MAX_HEARD:].splitlines())
    lines = [line for line in told if line and not line.startswith(_TELLING_NOTHING)]
    kept: list[str] = []
    for line in reversed(lines[-3:]):
        if kept and len("; ".join((line, *kept)).encode()) > MAX_LAST_WORDS:
            break
        kept.insert(0, line)
    return f"“{_cut('; '.join(kept), MAX_LAST_WORDS)}”" if kept else ""


def _one_line(text: str) -> str:
    """Colours go, runs of white space become one space, and what else is not to be printed is spelt out."""
    bare = re.sub(r"\s+", " ", _COLOURS.sub("", text)).strip()
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in bare)


def _cut(text: str, limit: int) -> str:
    data = text.encode(errors="replace")
    return data.decode() if len(data) <= limit else f"{data[: limit - 3].decode(errors='ignore').rstrip()}…"
