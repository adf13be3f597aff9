"""A real S3 server for tests: versitygw, which keeps a bucket as a folder."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.golang import GoModule

MODULE: Final = GoModule(
    sources=Path(__file__).parent,
    announcement="building versitygw, an S3 server for tests, from its Go module, once: some 2 minutes on 2 cores",
    packages="tool",
)
_ACCESS_KEY: Final = "pointcloud"
_SECRET_KEY: Final = "not-a-secret"  # noqa: S105 - of a server on loopback that lives as long as a test
_PATIENCE_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Bucket:
    """A bucket, and what a client's environment must say to reach it."""

    url: str
    environment: dict[str, str]


@contextlib.contextmanager
def run_bucket(folder: Path, name: str = "pointclouds") -> Iterator[Bucket]:
    """An S3 server on loopback with one empty bucket, for as long as the context lasts."""
    (folder / name).mkdir(parents=True)
    port = _free_port()
    keys = {"ROOT_ACCESS_KEY": _ACCESS_KEY, "ROOT_SECRET_KEY": _SECRET_KEY}
    program = str(MODULE.programs() / "versitygw")
    command = [program, "--port", f"127.0.0.1:{port}", "--quiet", "--keep-alive", "posix", str(folder)]
    with subprocess.Popen(command, env={**os.environ, **keys}, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield Bucket(
                url=f"s3://{name}",
                environment={
                    "AWS_ACCESS_KEY_ID": _ACCESS_KEY,
                    "AWS_SECRET_ACCESS_KEY": _SECRET_KEY,
                    "AWS_REGION": "us-east-1",
                    "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
                    "AWS_ALLOW_HTTP": "true",
                },
            )
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("versitygw does not answer")
        time.sleep(0.05)
