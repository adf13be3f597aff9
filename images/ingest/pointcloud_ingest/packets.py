"""Reads a video's packets, whatever is wrong with it, without ever waiting for long."""

import signal
from collections.abc import Iterator
from typing import Any, Final

from av import FFmpegError, Packet
from av.container import InputContainer
from av.stream import Stream

STALL_SECONDS: Final = 60
"""For opening a video, and for reading and decoding each of its packets."""


def watch() -> None:
    """Has the process end by SIGALRM unless it gets here again in time: no Python runs while a decoder does."""
    signal.alarm(STALL_SECONDS)


def packets_of(container: InputContainer, *streams: Stream) -> Iterator["Packet[Any]"]:
    """The packets of the streams, or of all; empty ones at the end, for decoders.

    FFmpeg finds its way behind most damage by itself; where it does not, the packets end there.
    """
    try:
        for packet in container.demux(*streams):
            watch()
            yield packet
    except FFmpegError as error:
        print(f"reading ends early: {error.strerror}")
