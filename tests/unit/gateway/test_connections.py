"""How many connections a gateway takes, from how many files its process may have open."""

import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from pointcloud_gateway.connections import Bounds
print(Bounds.within(60).connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "raised"), [(256, 600, 200, 600), (1024, 20_000, 2048, 20_000), (64, 64, 21, 64)]
)
def test_connections_leave_descriptors_for_files(soft: int, hard: int, connections: int, raised: int) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        preexec_fn=limit,
    )
    assert ran.stdout.split() == [str(connections), str(raised)]
