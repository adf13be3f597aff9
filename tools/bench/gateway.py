"""The REST service under load, beside a bare Starlette application: readers of a job's status, and uploaders.

    python -m tools.bench.gateway [--readers 500] [--uploaders 50] [--seconds 10] [--photos 4] [--kilobytes 4000]

At one server and then at the other: readers who ask again at once, which shows the most that it can answer; then
readers who ask once a second, as pages do, beside uploaders who send as fast as they can. The gateway works on a real
API server. Starlette answers a constant, and writes what it is sent to a file. Prints requests a second, the median
and the 99th percentile of the times, the servers' peak memory, and whether everything that was acknowledged is there.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pointcloud_api.names import GATEWAY_AUDIENCE
from pointcloud_gateway.server import listen, server_config
from tools.bench.processor import peak_memory
from tools.cluster.build import programs
from tools.cluster.controlplane import ControlPlane
from tools.kubectl import Kubectl

JOB: Final = "bench"
TARGET: Final = "uploads"
USER: Final = "bench"
_BOUNDARY: Final = "a-boundary-of-the-benchmark"
_ANNOUNCED: Final = re.compile(r"pages on port (\d+)")


@dataclass
class Server:
    """Somebody to ask."""

    name: str
    port: int
    pid: int
    token: str = ""

    def peak_mebibytes(self) -> int:
        """The most memory that the process has ever had resident."""
        return peak_memory(self.pid) >> 20


@dataclass
class Load:
    """What a number of clients met with."""

    seconds: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """First lines of answers that were not 200."""

    def line(self, what: str, duration: float) -> str:
        """The figures."""
        if not self.seconds:
            return f"{what:34} no answer at all; {len(self.refused)} refused"
        ranked = sorted(self.seconds)
        p50, p99 = (1000 * ranked[int(share * (len(ranked) - 1))] for share in (0.5, 0.99))
        rate = len(ranked) / duration
        return f"{what:34} {rate:8.0f}/s  median {p50:7.1f} ms  p99 {p99:7.1f} ms  refused {len(self.refused)}"


class Client:
    """One kept connection, as a browser has it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, load: Load, *, body: bytes = b"", kind: str = "") -> bytes:
        """Send a request, note how long its answer took, and give the body."""
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self._server.token}\r\n"
        more = f"Content-Length: {len(body)}\r\nContent-Type: {kind}\r\n" if body else ""
        begun = time.monotonic()
        self._writer.write(f"{head}{more}\r\n".encode() + body)
        await self._writer.drain()
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", answer)
        content = await self._reader.readexactly(int(length[1]) if length else 0)
        if answer.startswith(b"HTTP/1.1 200"):
            load.seconds.append(time.monotonic() - begun)
        else:
            load.refused.append(answer.partition(b"\r\n")[0].decode())
        return content


async def read(server: Server, clients: int, until: asyncio.Event, *, pause: float = 0.0) -> Load:
    """So many clients ask for the status of a job until the event, each again `pause` seconds after an answer."""
    load = Load()

    async def reader(number: int) -> None:
        async with Client(server) as client:
            await asyncio.sleep(pause * number / clients)  # not all at once
            while not until.is_set():
                await client.ask("GET", f"/job/{JOB}", load)
                await asyncio.sleep(pause)

    await asyncio.gather(*(reader(number) for number in range(clients)))
    return load


async def upload(server: Server, clients: int, *, photos: int, size: int) -> Load:
    """So many clients send photos to one job, each so many, one after the other; no two photos are equal."""
    load, noise = Load(), os.urandom(size - 16)
    numbers = itertools.count()

    async def uploader() -> None:
        async with Client(server) as client:
            for _ in range(photos):
                number = next(numbers)
                body = _form(f"photo-{number:06}.jpg", number.to_bytes(16) + noise)
                kind = f"multipart/form-data; boundary={_BOUNDARY}"
                await client.ask("POST", f"/process/{TARGET}", load, body=body, kind=kind)

    await asyncio.gather(*(uploader() for _ in range(clients)))
    return load


def _form(name: str, content: bytes) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()


@asynccontextmanager
async def _for(seconds: float) -> AsyncIterator[asyncio.Event]:
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    yield over


@contextmanager
def starlette() -> Iterator[Server]:
    """Two routes that do next to nothing, served as the gateway is."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve_starlette, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Server("bare Starlette", ours.recv(), process.pid or 0)
    finally:
        process.terminate()
        process.join()


def _serve_starlette(announce: Connection) -> None:
    async def constant(request: Request) -> JSONResponse:
        return JSONResponse({"id": request.path_params["job_id"], "status": "processing"})

    async def take(request: Request) -> JSONResponse:
        with tempfile.TemporaryFile() as file:
            async for piece in request.stream():
                file.write(piece)
        return JSONResponse({"message": "taken"})

    app = Starlette(routes=[Route("/job/{job_id}", constant), Route("/process/{job_id}", take, methods=["POST"])])
    with listen(0, "127.0.0.1") as listener:
        announce.send(listener.getsockname()[1])
        asyncio.run(uvicorn.Server(server_config(app)).serve(sockets=[listener]))


@contextmanager
def gateway(folder: Path) -> Iterator[Server]:
    """The gateway on a real API server with two PointcloudJobs, and a token for them."""
    with ControlPlane.start(folder / "control-plane") as plane:
        kubectl = Kubectl(program=programs() / "kubectl", kubeconfig=plane.kubeconfig)
        token = _prepare(kubectl)
        environment = {
            **os.environ,
            "KUBECONFIG": str(plane.kubeconfig),
            "POINTCLOUD_STORE": (folder / "store").as_uri(),
            "POINTCLOUD_DATABASE": f"sqlite+aiosqlite:///{folder}/archive.db",
            "POINTCLOUD_PORT": "0",
            "POINTCLOUD_STORE_PORT": "0",
            "POINTCLOUD_RATE_LIMIT": "",
        }
        command = [sys.executable, "-m", "pointcloud_gateway"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None  # noqa: S101 - asked for above
                port = next(int(found[1]) for line in process.stderr if (found := _ANNOUNCED.search(line)))
                yield Server("gateway", port, process.pid, token)
            finally:
                process.terminate()
                process.communicate()


def _prepare(kubectl: Kubectl) -> str:
    kubectl("apply", "--server-side", "-f", "crds")
    kubectl("wait", "--for=condition=Established", "crd/pointcloudjobs.stitchsketch.io")
    jobs = (
        {
            "apiVersion": "stitchsketch.io/v1alpha1",
            "kind": "PointcloudJob",
            "metadata": {"name": name},
            "spec": {"source": {"upload": {}}},
        }
        for name in (JOB, TARGET)
    )
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": USER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": USER, "namespace": "default"}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": USER}}
    kubectl.apply(*jobs, account, binding)
    return kubectl("create", "token", USER, "--audience", GATEWAY_AUDIENCE).strip()


async def _files(server: Server) -> int:
    async with Client(server) as client:
        return len(json.loads(await client.ask("GET", f"/jobs/{TARGET}/files", Load()))["items"])


async def saturate(server: Server, *, readers: int, seconds: float) -> Load:
    """As many answers as the server can give."""
    async with _for(seconds) as over:
        load = await read(server, readers, over)
    print(load.line(f"{server.name}, {readers} readers", seconds), flush=True)
    return load


async def mix(server: Server, *, arguments: argparse.Namespace) -> tuple[Load, Load]:
    """Readers at their pace beside uploaders at theirs; what each met with."""
    over, begun = asyncio.Event(), time.monotonic()
    reading = asyncio.create_task(read(server, arguments.readers, over, pause=1.0))
    size = arguments.kilobytes * 1000
    sent = await upload(server, arguments.uploaders, photos=arguments.photos, size=size)
    took = time.monotonic() - begun
    over.set()
    told = await reading
    print(told.line(f"{server.name}, beside uploads", took))
    print(sent.line(f"{server.name}, {arguments.uploaders} uploaders", took))
    print(f"{'':34} {len(sent.seconds) * size / took / 1e6:8.0f} MB/s", flush=True)
    return sent, told


async def compare(bare: Server, ours: Server, *, arguments: argparse.Namespace) -> bool:
    """Print every figure; whether nothing was refused or lost."""
    most = {
        server.name: await saturate(server, readers=arguments.readers, seconds=arguments.seconds)
        for server in (bare, ours)
    }
    print(f"{'ratio of requests a second':34} {len(most[ours.name].seconds) / len(most[bare.name].seconds):8.2f}")
    await mix(bare, arguments=arguments)
    sent, told = await mix(ours, arguments=arguments)
    there = await _files(ours)
    print(f"{'acknowledged photos that are there':34} {there:8} of {len(sent.seconds)}")
    print(f"{'peak memory':34} {ours.peak_mebibytes():8} MiB ({bare.name}: {bare.peak_mebibytes()})")
    refused = [*sent.refused, *told.refused, *most[ours.name].refused]
    for answer in refused[:1]:
        print(f"refused, for one: {answer}")
    return there == len(sent.seconds) and not refused


def main() -> int:
    """Run the comparison; the exit status is 1 where something was refused or lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=500)
    parser.add_argument("--uploaders", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--photos", type=int, default=4, help="that each uploader sends")
    parser.add_argument("--kilobytes", type=int, default=4000, help="of one photo")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, starlette() as bare, gateway(Path(folder)) as ours:
        return 0 if asyncio.run(compare(bare, ours, arguments=arguments)) else 1


if __name__ == "__main__":
    sys.exit(main())
