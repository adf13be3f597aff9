"""A real S3 server for tests: versitygw, which keeps a bucket as a folder."""

import contextlib
import hashlib
import hmac
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from tools.golang import GoModule

MODULE: Final = GoModule(
    sources=Path(__file__).parent,
    announcement="building versitygw, an S3 server for tests, from its Go module, once: some 2 minutes on 2 cores",
    packages="tool",
)
_REGION: Final = "us-east-1"
_ACCESS_KEY: Final = "pointcloud"
_SECRET_KEY: Final = "not-a-secret"  # noqa: S105 - of a server on loopback that lives as long as a test
_PATIENCE_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Bucket:
    """A bucket, and what a client's environment must say to reach it."""

    url: str
    environment: dict[str, str]
    address: str
    """Of its objects: `address` and a slash before the key."""

    def let_all_read(self) -> None:
        """Sets a policy by which whoever has an object's address may read it; nobody else may list or write.

        Raises:
            httpx.HTTPStatusError: The server refuses it.
        """
        name = urlsplit(self.url).netloc
        everyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [everyone]}).encode()
        headers = _signed("PUT", self.address, "policy=", policy)
        httpx.put(f"{self.address}?policy=", content=policy, headers=headers).raise_for_status()


def _signed(method: str, address: str, query: str, body: bytes) -> dict[str, str]:
    """The headers of a request by AWS's Signature Version 4, for which obstore has no way to ask but of objects."""
    where, when = urlsplit(address), datetime.now(UTC)
    headers = {
        "host": where.netloc,
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-amz-date": f"{when:%Y%m%dT%H%M%SZ}",
    }
    names = ";".join(headers)
    lines = [f"{name}:{value}\n" for name, value in headers.items()]
    request = "\n".join([method, where.path, query, "".join(lines), names, headers["x-amz-content-sha256"]])
    scope = f"{when:%Y%m%d}/{_REGION}/s3/aws4_request"
    words = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()]
    key = f"AWS4{_SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, "\n".join(words).encode(), "sha256").hex()
    credential = f"Credential={_ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {credential}"}


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
                    "AWS_REGION": _REGION,
                    "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
                    "AWS_ALLOW_HTTP": "true",
                },
                address=f"http://127.0.0.1:{port}/{name}",
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
