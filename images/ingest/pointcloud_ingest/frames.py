"""Takes the sharp frames of a video, evenly spread, in a process of its own.

A decoder of strangers' videos is native code that a crafted file may crash, stall or make greedy. In a process of its
own it takes nothing with it: a signal ends it when one packet takes too long, and the system refuses it memory beyond
its share.
"""

import contextlib
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import av
from av import FFmpegError, VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from pointcloud_ingest.arrivals import UnusableError
from pointcloud_ingest.packets import packets_of, watch
from pointcloud_ingest.pictures import aspect_of, began_at, picture, save
from pointcloud_ingest.sharpness import sharpness
from pointcloud_ingest.timeline import Timeline, timeline_of

MAX_SECONDS: Final = 3600
"""Of one video: decoding takes a good part of its length."""
MAX_RATE: Final = 240
"""Frames a second up to which `MAX_SECONDS` may be had."""
MAX_PIXELS: Final = 36_000_000
"""Of a frame: 8K. Decoders keep up to 16 frames besides the one at hand."""
FEW_BROKEN: Final = 0.05
"""Share of broken frames that is not worth a word: recordings begin between two whole pictures, and lose some."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to take from which video."""

    file: Path
    container: str
    """FFmpeg's name of its reader."""
    folder: Path
    """Where the frames go; it exists."""
    per_second: int
    at_most: int
    max_pixels: int
    memory: int | None
    """Bytes that the process may have; None for no limit."""
    threads: int


@dataclass(frozen=True)
class Kept:
    """One frame that was kept."""

    file: Path
    seconds: float
    """Since the video's beginning."""
    of: float
    """Length of the whole video in seconds."""


@dataclass(frozen=True)
class Ended:
    """The last word: `complaint` says why there are no frames, or not all that there should be."""

    complaint: str = ""


def work(order: Order, to: Connection) -> None:
    """The process: sends each frame that is kept, then how it ended, or the disk's error."""
    if order.memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (order.memory, order.memory))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        complaint = take_frames(order, to.send)
    except UnusableError as error:
        complaint = str(error)
    except MemoryError:
        complaint = "needs more memory to decode than the ingest stage has"
    except FFmpegError as error:
        complaint = f"cannot be decoded ({error.strerror})"
    except OSError as error:
        to.send(error)
        return
    to.send(Ended(complaint))


def take_frames(order: Order, keep: Callable[[Kept], None]) -> str:
    """Writes the frames and says of each that it is there; returns a complaint about a video that is not whole.

    Raises UnusableError when there is nothing to take.
    """
    with _opened(order) as (container, stream):
        timeline = timeline_of(container, stream, at_most=MAX_SECONDS * MAX_RATE)
        began = began_at(container)
    _check(timeline)
    broken = 0
    with _opened(order) as (container, stream):
        taken = _Taken(order, timeline, keep, began=began, aspect=aspect_of(stream))
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = order.threads
        for frame in _decoded(container, stream):
            if frame is None:
                broken += 1
            else:
                taken.offer(frame)
    taken.finish()
    return _complaint(timeline, broken)


class _Taken:
    """Keeps the sharpest frame of each span of time."""

    def __init__(
        self,
        order: Order,
        timeline: Timeline,
        keep: Callable[[Kept], None],
        *,
        began: datetime | None,
        aspect: float,
    ) -> None:
        self._order = order
        self._timeline = timeline
        self._began = began
        self._aspect = aspect
        self._keep = keep
        self._spans = timeline.spans(per_second=order.per_second, at_most=order.at_most)
        self._span = 0
        self._best: tuple[float, float, VideoFrame] | None = None
        self._seen = 0
        self._kept = 0

    def offer(self, frame: VideoFrame) -> None:
        """Looks at the next frame."""
        _check_size(frame.width, frame.height, self._order.max_pixels)
        time = self._timeline.time_of(frame, self._seen)
        self._seen += 1
        span = min(int(time / self._timeline.seconds * self._spans), self._spans - 1)
        if span > self._span:  # a frame that comes late counts to the span at hand
            self._keep_best()
            self._span = span
        score = sharpness(frame)
        if self._best is None or score > self._best[0]:
            self._best = (score, time, frame)

    def finish(self) -> None:
        """Keeps the last span's frame. Raises UnusableError when no frame could be decoded."""
        self._keep_best()
        if not self._kept:
            raise UnusableError("holds no frame that can be decoded")

    def _keep_best(self) -> None:
        if self._best is None:
            return
        _, time, frame = self._best
        self._best = None
        file = self._order.folder / f"{self._kept:06}.jpg"
        at = self._began + timedelta(seconds=time) if self._began else None
        save(picture(frame, self._aspect), file, at)
        self._kept += 1
        self._keep(Kept(file, time, self._timeline.seconds))


@contextlib.contextmanager
def _opened(order: Order) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first stream of moving pictures. Raises UnusableError."""
    watch()
    try:
        container = av.open(
            str(order.file),
            "r",
            format=order.container,
            options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except MemoryError:
        raise
    except FFmpegError as error:
        raise UnusableError(f"is damaged or cut off before its index ({error.strerror})") from None
    with container:
        stream = next((s for s in container.streams.video if not s.disposition & s.disposition.attached_pic), None)
        if stream is None:
            raise UnusableError("holds no moving pictures")
        if stream.codec_context is None:
            raise UnusableError("is packed by a codec that is not supported")
        _check_size(stream.codec_context.width, stream.codec_context.height, order.max_pixels)
        stream.codec_context.options = {"max_pixels": str(order.max_pixels)}
        yield container, stream


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame | None]:
    """Every frame as it is shown; None for each that is broken."""
    for packet in packets_of(container, stream):
        try:
            for frame in packet.decode():
                yield None if frame.is_corrupt else frame
        except MemoryError:
            raise
        except FFmpegError:
            yield None


def _check(timeline: Timeline) -> None:
    if not timeline.frames:
        raise UnusableError("holds no frames")
    if timeline.seconds > MAX_SECONDS or timeline.frames > MAX_SECONDS * MAX_RATE:
        raise UnusableError(f"lasts longer than {MAX_SECONDS // 60} minutes: cut it into shorter ones")


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise UnusableError(f"has frames of {width} x {height} pixels, more than the {max_pixels:,} that are decoded")


def _complaint(timeline: Timeline, broken: int) -> str:
    if timeline.broken_off:
        return f"breaks off after {timeline.seconds:.0f} s; the frames before are used"
    if broken > FEW_BROKEN * timeline.frames:
        return f"is damaged: {broken} of its {timeline.frames} frames cannot be decoded and are passed over"
    return ""
