"""Names photos in the store: as the user named them, as far as URLs, COLMAP and file systems all bear it."""

import unicodedata
from pathlib import PurePosixPath
from typing import Final

MAX_PART: Final = 60
"""Characters of one part of a path; of up to 4 bytes each they fit a file system's 255 bytes."""
MAX_DEPTH: Final = 6
"""Parts of a path; of a deeper one the last ones are kept, nearest to the photo."""
_EXTRA: Final = frozenset("-_.")


class Names:
    """Gives each photo a path of its own; equal names in an equal order get equal paths."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, name: str, *, suffix: str, suffixes: frozenset[str]) -> str:
        """A free path `a/b/photo.jpg` for a file that its user calls `name`.

        `suffix` is appended unless the name ends in one of `suffixes`: COLMAP picks its reader by it. Paths that
        differ only in case count as equal, since they would be one file on many a desktop.
        """
        path = sanitised(name)
        if path.suffix.lower() not in suffixes:
            path = path.with_name(path.name + suffix)
        candidate, number = path, 1
        while candidate.as_posix().casefold() in self._taken:
            number += 1
            candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
        self._taken.add(candidate.as_posix().casefold())
        return candidate.as_posix()


def sanitised(name: str) -> PurePosixPath:
    """A relative path of letters, digits, `-`, `_` and `.`, with no part empty, hidden, `.` or `..`."""
    parts = [_sanitised_part(part) for part in name.replace("\\", "/").split("/") if part.strip(". ")]
    return PurePosixPath(*(parts[-MAX_DEPTH:] or ["photo"]))


def _sanitised_part(part: str) -> str:
    text = unicodedata.normalize("NFC", part)
    text = "".join(c if c.isalnum() or c in _EXTRA else "_" for c in text).lstrip(".")
    if len(text) <= MAX_PART:
        return text or "_"
    suffix = PurePosixPath(text).suffix
    return text[: MAX_PART - len(suffix)] + suffix if len(suffix) < MAX_PART else text[:MAX_PART]
