"""A folder with the page on a server that may have faults, and what a person sees and does there."""

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page

from tests.fixtures.wall import SETTLE_MS, SETTLED

WIDTH, HEIGHT = 960, 600
"""Of the page that the fixture `page` opens."""
_FOCAL = HEIGHT / 2 / np.tan(np.radians(30))


@dataclass
class Server:
    """A folder on loopback, with what may be wrong about a server."""

    folder: Path
    honours_range: bool = True
    statuses: dict[str, int] = field(default_factory=dict)
    """What is answered, by file name, instead of the file."""
    requests: Counter[str] = field(default_factory=Counter)
    url: str = ""


@contextmanager
def serve(server: Server) -> Iterator[Server]:
    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            path = server.folder / self.path.lstrip("/")
            path = path / "index.html" if path.is_dir() else path
            server.requests[path.name] += 1
            if path.name in server.statuses or not path.is_file():
                self.send_error(server.statuses.get(path.name, 404))
                return
            data = path.read_bytes()
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            part = data
            if wanted and server.honours_range:
                part = data[int(wanted[1]) : int(wanted[2]) + 1]
                if not part:
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {wanted[1]}-{int(wanted[1]) + len(part) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("Content-Type", self.guess_type(path))
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, *_: object) -> None:
            """Keep the test's output to itself."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{httpd.server_port}/"
        yield server
        httpd.shutdown()


def settle(page: Page, server: Server) -> None:
    page.on("pageerror", lambda error: pytest.fail(f"the page threw an error that it does not show: {error}"))
    page.goto(server.url)
    settled(page)


def settled(page: Page) -> None:
    page.wait_for_function(SETTLED, timeout=SETTLE_MS)


def on_screen(place: npt.ArrayLike, *, eye: npt.ArrayLike, target: npt.ArrayLike, up: npt.ArrayLike) -> tuple[int, int]:
    """The pixel of a place, for a camera as view.json gives it."""
    ahead = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(ahead, np.asarray(up))
    right /= np.linalg.norm(right)
    offset = np.subtract(place, eye)
    depth = offset @ ahead
    x = WIDTH / 2 + _FOCAL * (offset @ right) / depth
    y = HEIGHT / 2 - _FOCAL * (offset @ np.cross(right, ahead)) / depth
    return round(float(x)), round(float(y))
