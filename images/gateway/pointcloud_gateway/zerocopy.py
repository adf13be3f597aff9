"""uvicorn with ASGI's zero-copy extension: the kernel moves a file's bytes to the socket, and Python sees none.

Without it, a download costs about three times nginx's processor time. The extension is ASGI's own
(`http.response.zerocopysend`: file, offset, count, more_body), so applications here know nothing of uvicorn.
"""

import asyncio
import functools
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

EXTENSION: Final = "http.response.zerocopysend"


class ZeroCopyProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, offering the extension. Needs asyncio's own event loop: uvloop has no sendfile."""

    def on_headers_complete(self) -> None:
        """Offer the extension to the request that begins; its task has been created but has not run yet."""
        super().on_headers_complete()
        self.scope.setdefault("extensions", {})[EXTENSION] = {}
        self.cycle.send = functools.partial(_send, self.cycle, self.cycle.send)  # type: ignore[method-assign]


async def _send(cycle: RequestResponseCycle, send: Any, message: Any) -> None:
    if message["type"] != EXTENSION:
        await send(message)
        return
    if not cycle.disconnected:
        await _send_file(cycle, message["file"], message["offset"], message["count"])
    await send({"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)})


async def _send_file(cycle: RequestResponseCycle, file: Any, offset: int, count: int) -> None:
    try:
        sent = await asyncio.get_running_loop().sendfile(cycle.transport, file, offset, count)
    except (ConnectionError, TimeoutError):  # the latter is the kernel's, of who reads nothing
        cycle.disconnected = True  # as uvicorn notes it when the connection is lost while it writes
        cycle.transport.abort()
    else:
        cycle.expected_content_length -= sent
