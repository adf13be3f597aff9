"""Makes photos of a video: starts the process that decodes it, and outlives what becomes of that."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from pointcloud_api.stages import IngestDocument
from pointcloud_ingest.arrivals import Arrival, UnusableError
from pointcloud_ingest.frames import MAX_PIXELS, Ended, Kept, Order, work
from pointcloud_ingest.kinds import container_of, head_of
from pointcloud_ingest.packets import STALL_SECONDS
from pointcloud_stage.limits import cpu_limit, memory_limit

FORMATS: Final = "MP4, MOV, MKV, WebM, AVI, MTS"
MEMORY_SHARE: Final = 0.75
"""Of the container's memory, for the process that decodes."""

Advance = Callable[[float], None]
"""Told the fraction of the video that is done."""


def frames_of(
    video: Arrival, name: str, *, to: Path, document: IngestDocument, advance: Advance
) -> tuple[list[Arrival], str]:
    """The sharp frames of a video, evenly spread, in the order of their times, written into the folder `to`.

    They are named `<name>/<seconds>s.jpg`. The second value complains about a video that gave less than it should.
    Raises UnusableError when it gives none, OSError when the disk fails.
    """
    container = container_of(head_of(video.file))
    if container is None:
        empty = video.file.stat().st_size == 0
        raise UnusableError("is empty" if empty else f"is not a video of a supported format ({FORMATS})")
    memory = memory_limit()
    order = Order(
        file=video.file,
        container=container,
        folder=to,
        per_second=document.settings.frames_per_second,
        at_most=document.settings.max_frames,
        max_pixels=min(document.limits.max_image_pixels, MAX_PIXELS),
        memory=None if memory is None else int(memory * MEMORY_SHARE),
        threads=cpu_limit(),
    )
    frames = []
    with _started(order) as (process, news):
        try:
            while isinstance(heard := news.recv(), Kept):
                frames.append(Arrival(f"{name}/{heard.seconds:09.3f}s.jpg", heard.file))
                advance(heard.seconds / heard.of)
        except EOFError:
            process.join()
            heard = Ended(death(process.exitcode))
    if isinstance(heard, OSError):
        raise heard
    if not frames:
        raise UnusableError(heard.complaint)
    return frames, heard.complaint


@contextmanager
def _started(order: Order) -> Iterator[tuple[BaseProcess, Connection]]:
    """The decoding process and what it tells; it ends with the block."""
    context = multiprocessing.get_context("spawn")
    news, telling = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(order, telling), daemon=True)
    process.start()
    telling.close()
    try:
        yield process, news
    finally:
        process.kill()
        process.join()
        news.close()


def death(code: int | None) -> str:
    """What it means that the decoding process ended without a last word; `code` is as `multiprocessing` gives it."""
    if code == -signal.SIGALRM:
        return f"cannot be decoded: a single frame is not done after {STALL_SECONDS} s"
    how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
    return f"cannot be decoded: the decoder ended by {how}"
