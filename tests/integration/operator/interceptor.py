"""Stands between the operator and the API server, and kills the operator at one chosen write."""

import http.client
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Final

from tools.cluster.controlplane import ControlPlane

WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HOP_BY_HOP: Final = frozenset({"connection", "transfer-encoding", "keep-alive", "host"})


@dataclass
class Interceptor:
    """Passes every request on, and after the chosen write calls `strike` instead of answering it.

    A crash after one write is also the crash before the next: between them only the operator's memory changes.
    """

    plane: ControlPlane
    strike: Callable[[], None] = field(default=lambda: None)
    strike_after: int | None = None
    """Number of the write, counted from 1 since `arm`."""
    writes: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def arm(self, write: int, strike: Callable[[], None]) -> None:
        """Forget the writes so far, and strike after the given one."""
        with self._lock:
            self.writes, self.strike_after, self.strike = [], write, strike

    @property
    def struck(self) -> bool:
        """Whether that write has come."""
        return self.strike_after is not None and len(self.writes) >= self.strike_after

    def takes(self, method: str, path: str) -> bool:
        """Note a request; whether it is the chosen write."""
        if method not in WRITES:
            return False
        with self._lock:
            self.writes.append(f"{method} {path}")
            return len(self.writes) == self.strike_after

    def upstream(self) -> http.client.HTTPSConnection:
        """A connection to the API server as its administrator."""
        pki = self.plane.pki
        tls = ssl.create_default_context(cafile=str(pki.certificate))
        tls.load_cert_chain(pki.directory / "kubeconfig.crt", pki.directory / "kubeconfig.key")
        return http.client.HTTPSConnection("127.0.0.1", self.plane.port, context=tls, timeout=600)


class _Handler(BaseHTTPRequestHandler):
    """Forwards one client's requests; `interceptor` is set by the server that makes it."""

    protocol_version = "HTTP/1.1"
    interceptor: Interceptor

    def _forward(self) -> None:
        chosen = self.interceptor.takes(self.command, self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = self.interceptor.upstream()
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
            upstream.request(self.command, self.path, body=body or None, headers=headers)
            answer = upstream.getresponse()
            if chosen:
                answer.read()
                self.close_connection = True
                self.interceptor.strike()
            else:
                self._answer(answer)
        except OSError:  # either end has gone
            self.close_connection = True
        finally:
            upstream.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 - the base class looks for these names

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := answer.read1(1 << 16):  # a watch never ends, so nothing is waited for
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing: what matters is in `Interceptor.writes`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of connections that a killed operator leaves."""


@contextmanager
def intercept(plane: ControlPlane, kubeconfig: Path) -> Iterator[Interceptor]:
    """Write a kubeconfig that leads through an interceptor, which works for as long as the context lasts."""
    interceptor = Interceptor(plane)
    handler = type("Handler", (_Handler,), {"interceptor": interceptor})
    server = _Server(("127.0.0.1", 0), handler)
    kubeconfig.write_text(
        f"""\
apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: "http://127.0.0.1:{server.server_port}"}}}}]
users: [{{name: test, user: {{}}}}]
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
current-context: test
"""
    )
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield interceptor
    finally:
        server.shutdown()
        server.server_close()
