"""When each frame of a video is shown, found by reading its packets once without decoding them.

Headers lie, are cut off with the file, or were never finished; packets tell how long a video is and where it ends, so
that its frames can be spread evenly before the first of them is decoded.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

from av import Packet, VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from pointcloud_ingest.packets import packets_of

_USUAL_RATE: Final = 30
"""Frames a second where neither packets nor headers say it."""
_MICROSECOND: Final = 1e-6
"""FFmpeg's unit of a container's times."""


@dataclass(frozen=True)
class Timeline:
    """The frames of a video by time."""

    frames: int
    seconds: float
    """From the first frame's beginning to the last one's end."""
    start: float
    """Seconds of the first frame in the file's own time."""
    rate: float
    """Frames a second on average."""
    timed: bool
    """Whether the frames' own times can be trusted; else they are counted at the average rate."""
    broken_off: bool
    """Whether the file ends well before what its header announces."""

    def spans(self, *, per_second: int, at_most: int) -> int:
        """In how many equal spans of time to divide the video: at least one."""
        return max(1, min(at_most, round(self.seconds * per_second)))

    def time_of(self, frame: VideoFrame, number: int) -> float:
        """Seconds since the video's beginning of the frame that is decoded as the `number`th, from 0."""
        if self.timed and frame.pts is not None and frame.time_base is not None:
            return max(0.0, float(frame.pts * frame.time_base) - self.start)
        return number / self.rate


def timeline_of(container: InputContainer, stream: VideoStream, *, at_most: int) -> Timeline:
    """Reads all packets of the container, or as many as hold `at_most` frames of the stream and one."""
    count = _Count(stream)
    for packet in packets_of(container):
        if packet.size:  # else it is the end, for decoders
            count.add(packet)
        if count.frames > at_most:
            break
    return count.summary(container)


@dataclass
class _Count:
    """What is known of the packets read so far. Times are in seconds of the file."""

    stream: VideoStream
    frames: int = 0
    timed: bool = True
    """Whether every frame has a time and none is decoded before another that lies before it in the file."""
    decoded: float = -math.inf
    first: float = math.inf
    last: float = -math.inf
    reached: float = 0.0
    """The latest time of any stream: sound may go on when the picture has ended."""

    def add(self, packet: "Packet[Any]") -> None:
        shown = _seconds(packet, packet.pts)
        self.reached = max(self.reached, 0.0 if shown is None else shown)
        if packet.stream.index != self.stream.index:
            return
        self.frames += 1
        decoded = _seconds(packet, packet.dts)
        if shown is None or (decoded is not None and decoded < self.decoded):
            self.timed = False
        else:
            self.decoded = self.decoded if decoded is None else decoded
            self.first, self.last = min(self.first, shown), max(self.last, shown)

    def summary(self, container: InputContainer) -> Timeline:
        timed = self.timed and self.last > self.first
        rate = float(self.stream.average_rate or self.stream.guessed_rate or _USUAL_RATE)
        if timed:
            rate = (self.frames - 1) / (self.last - self.first)
        announced = (container.duration or 0) * _MICROSECOND
        reached = self.reached - (container.start_time or 0) * _MICROSECOND
        return Timeline(
            frames=self.frames,
            seconds=self.frames / rate,
            start=self.first if timed else 0.0,
            rate=rate,
            timed=timed,
            broken_off=announced > 1.05 * max(reached, self.frames / rate) + 0.5
            or self.stream.frames > 1.05 * self.frames + 0.5 * rate,
        )


def _seconds(packet: "Packet[Any]", time: int | None) -> float | None:
    return None if time is None or packet.time_base is None else float(time * packet.time_base)
