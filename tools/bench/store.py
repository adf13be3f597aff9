"""The store service against Debian's nginx with WebDAV: one big file in and out, in turn, on this machine.

    python -m tools.bench.store [--megabytes 2000] [--rounds 3] [--folder DIR]

Prints each server's shortest times (whatever else runs here makes the others longer), the ratio of nginx's to the
store's (1 is as fast; the bar is 0.7) and each server's peak memory.
Files lie in memory (/dev/shm) where there is room, so that the servers are compared and not the disk with itself.
"""

import argparse
import asyncio
import contextlib
import functools
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Final

import uvicorn

from pointcloud_gateway.objects import Objects
from pointcloud_gateway.server import listen, server_config
from pointcloud_gateway.store.app import build_store_app
from pointcloud_gateway.store.authorisation import Identity, Policy
from tools.bench.processor import peak_memory

BAR: Final = 0.7
_BLOCK: Final = 64 << 20
_BUFFER: Final = 1 << 20

_NGINX_CONFIG = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{}}
http {{
    access_log off;
    sendfile on;
    client_max_body_size 0;
    client_body_temp_path {folder}/incoming;
    proxy_temp_path {folder}/unused;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        dav_methods PUT;
        create_full_put_path on;
    }}
}}
"""


@dataclass
class Contestant:
    """A server, and how long it took each time."""

    name: str
    port: int
    pid: int
    """Of the process that moves the bytes."""
    path: str
    uploads: list[float] = field(default_factory=list)
    """Seconds."""
    downloads: list[float] = field(default_factory=list)

    def peak_mebibytes(self) -> int:
        """The most memory that the process has ever had resident."""
        return peak_memory(self.pid) >> 20


def upload(contestant: Contestant, block: IO[bytes], size: int) -> float:
    """Send `size` bytes, `block` again and again, without copying; seconds until the answer."""
    with socket.create_connection(("127.0.0.1", contestant.port)) as connection:
        start = time.monotonic()
        connection.sendall(_head("PUT", contestant, f"Content-Length: {size}\r\n"))
        for offset in range(0, size, _BLOCK):
            connection.sendfile(block, 0, min(_BLOCK, size - offset))
        answer = connection.recv(_BUFFER)
        seconds = time.monotonic() - start
    if not answer.startswith(b"HTTP/1.1 201"):
        raise RuntimeError(f"{contestant.name} refused the upload: {answer[:200]!r}")
    return seconds


def download(contestant: Contestant, size: int) -> float:
    """Receive the file and throw it away; seconds."""
    buffer = bytearray(_BUFFER)
    with socket.create_connection(("127.0.0.1", contestant.port)) as connection:
        start = time.monotonic()
        connection.sendall(_head("GET", contestant))
        received = 0
        while count := connection.recv_into(buffer):
            received += count
        seconds = time.monotonic() - start
    if not size < received < size + 4096:
        raise RuntimeError(f"{contestant.name} sent {received} bytes of {size}")
    return seconds


def _head(method: str, contestant: Contestant, more: str = "") -> bytes:
    lines = (
        f"{method} {contestant.path} HTTP/1.1\r\nHost: store\r\nAuthorization: Bearer bench\r\nConnection: close\r\n"
    )
    return f"{lines}{more}\r\n".encode()


@contextlib.contextmanager
def run_store(folder: Path) -> Iterator[Contestant]:
    """The store service in a process of its own, with one known token."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve_store, args=(folder, theirs), daemon=True)
    process.start()
    try:
        port = ours.recv()
        yield Contestant("store", port, process.pid or 0, "/v1/objects/raw/bench/job/uid/key/pod/big.bin")
    finally:
        process.terminate()
        process.join()


def _serve_store(folder: Path, announce: Connection) -> None:
    async def authenticate(_: str) -> Identity | None:
        return Identity("system:serviceaccount:bench:default", "bench", "pod")

    app = build_store_app(Objects.open(folder.as_uri()), authenticate, Policy())
    with listen(0, "127.0.0.1") as listener:
        announce.send(listener.getsockname()[1])
        asyncio.run(uvicorn.Server(server_config(app)).serve(sockets=[listener]))


@contextlib.contextmanager
def run_nginx(folder: Path) -> Iterator[Contestant]:
    """Debian's nginx, one worker, with sendfile and DAV's PUT."""
    port = _free_port()
    (folder / "files").mkdir(parents=True)
    user = "user root;" if os.getuid() == 0 else ""  # or its worker would be nobody, whom the folder keeps out
    (folder / "nginx.conf").write_text(_NGINX_CONFIG.format(folder=folder, port=port, user=user))
    with subprocess.Popen([_nginx_program(), "-p", folder, "-c", folder / "nginx.conf"]) as process:
        try:
            _wait_for(functools.partial(_accepts, port))
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield Contestant("nginx", port, int(children[0]), "/big.bin")
        finally:
            process.terminate()


def _nginx_program() -> str:
    """The nginx installed here, or else Debian's package unpacked beside our other caches: nothing is installed."""
    if found := shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return found
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("POINTCLOUD_CACHE") or Path(base, "pointcloud-operator")) / "nginx"
    program = cache / "usr/sbin/nginx"
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(["apt-get", "download", "-q", "nginx"], cwd=cache, check=True, stdout=subprocess.DEVNULL)
            (package,) = cache.glob("nginx_*.deb")
            subprocess.run(["dpkg-deb", "--extract", package, cache], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"nginx is needed for comparison; install it (apt-get install nginx) and try again: {error}")
    return str(program)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _accepts(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def _wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("nginx does not answer")
        time.sleep(0.05)


def compare(folder: Path, *, size: int, rounds: int) -> list[Contestant]:
    """Let both carry `size` bytes in and out, in turn, `rounds` times."""
    block = folder / "block"
    block.write_bytes(os.urandom(_BLOCK))
    with run_store(folder / "store") as store, run_nginx(folder / "nginx") as nginx, block.open("rb") as data:
        contestants = [store, nginx]
        for contestant in contestants * rounds:
            contestant.uploads.append(upload(contestant, data, size))
            contestant.downloads.append(download(contestant, size))
            _delete_big_files(folder)
        report(contestants, size)
        return contestants


def _delete_big_files(folder: Path) -> None:
    """So that every upload makes a new file, and both at once need not fit."""
    for file in folder.rglob("big.bin"):
        file.unlink()


def report(contestants: list[Contestant], size: int) -> None:
    """Print one line a server, then the ratios."""
    store, nginx = contestants
    print(f"{size / 1e9:g} GB     upload s  download s  peak MiB   (each time: uploads | downloads)")
    for each in contestants:
        best = f"{min(each.uploads):10.2f}  {min(each.downloads):10.2f}"
        times = " | ".join(" ".join(f"{t:.2f}" for t in times) for times in (each.uploads, each.downloads))
        print(f"{each.name:8}{best}  {each.peak_mebibytes():8}   ({times})")
    print(f"{'ratio':8}{_ratio(nginx.uploads, store.uploads):10.2f}  {_ratio(nginx.downloads, store.downloads):10.2f}")
    print(f"bar     {BAR:10.2f}  {BAR:10.2f}")


def _ratio(theirs: list[float], ours: list[float]) -> float:
    return min(theirs) / min(ours)


def _roomy_folder(size: int) -> str | None:
    memory = Path("/dev/shm")  # noqa: S108 - asked for by its own meaning, used below a temporary folder
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 3 * size else None


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the files lie (default: in memory, if there is room)")
    arguments = parser.parse_args()
    size = arguments.megabytes * 1_000_000
    with tempfile.TemporaryDirectory(dir=arguments.folder or _roomy_folder(size)) as folder:
        compare(Path(folder), size=size, rounds=arguments.rounds)


if __name__ == "__main__":
    main()
