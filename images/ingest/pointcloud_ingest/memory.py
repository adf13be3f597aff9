"""How much memory pictures take while they are decoded, and which of them may be at the same time.

Few bytes of a file may be a picture of gigabytes, and the kernel ends a stage that takes more than its container has,
without saying what was too large. So what a picture will take is told from its header, before it is decoded, and each
waits until the others have left so much. The bytes a pixel are the peaks of `python -m tools.bench.decoding`, rounded
up.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image

from pointcloud_api.stages import ExitCode, Reason
from pointcloud_stage import StageFailure
from pointcloud_stage.limits import available_memory, gib

_RESERVE: Final = 200_000_000
"""Bytes for the stage's own two processes."""
_PIXELS: Final = {"1": 1, "L": 1, "P": 1, "LA": 4, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Bytes of a decoded pixel by Pillow's modes; the others take 4."""
_DEEP: Final = 8
"""Bytes a pixel beside it, to look at one of more than 8 bits and to write it anew."""
_BESIDE: Final = {"TIFF": 7, "GIF": 6, "WEBP": 14, "HEIF": 7, "AVIF": 8}
"""Bytes a pixel beside it, by Pillow's formats: what decoders hold, and what is written anew."""
_REDUCED: Final = 1 / 16
"""Bytes a pixel of a JPEG that is decoded at an eighth of its size."""
_COEFFICIENTS: Final = 6
"""Bytes a pixel of a progressive JPEG, all of which is held until its last byte."""


class Room:
    """Memory for decoding. Threads may share it."""

    def __init__(self, size: int) -> None:
        """`size` is in bytes."""
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @classmethod
    def of_container(cls) -> "Room":
        """What the container has beside what the stage needs in any case."""
        return cls(available_memory() - _RESERVE)

    @contextmanager
    def taken(self, size: int, *, by: str) -> Iterator[None]:
        """Wait for so many bytes and hold them while the body runs, which must take no others.

        Raises StageFailure(OUT_OF_MEMORY) at once, naming what they are taken by, when there are not so many in all.
        """
        if size > self._size:
            raise too_large(by, size + _RESERVE, self._size + _RESERVE)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()


def too_large(name: str, needed: int, memory: int) -> StageFailure:
    """A picture needs more bytes than the container has; the operator tries again with more."""
    return StageFailure(
        Reason.OUT_OF_MEMORY,
        f"To decode {name} takes {gib(needed)} of memory, and the ingest stage has {gib(memory)}.",
        f"Raise spec.stages.ingest.resources.limits.memory to {gib(needed)} or more, or give that file smaller or not "
        "at all.",
        exit_code=ExitCode.NEEDS_MORE,
    )


def decoding(image: Image.Image) -> int:
    """Bytes that it takes to decode an opened image, a JPEG reduced, and to write it anew if need be."""
    pixels = image.width * image.height
    if image.format in {"JPEG", "MPO"}:
        return int(pixels * (_COEFFICIENTS if "progressive" in image.info else _REDUCED))
    deep = _DEEP if image.mode.startswith(("I", "F")) else 0
    return pixels * (decoded(image) + deep + _BESIDE.get(image.format or "", 0))


def decoded(image: Image.Image) -> int:
    """Bytes a pixel of an image once it is decoded."""
    return _PIXELS.get(image.mode, 4)
