"""What the stage's program has in memory while features are extracted and compared, which takes the most of it."""

import os
import subprocess
import sys

AT_THE_END = ("scipy", "pyproj", "laspy", "numba")
"""Each some megabytes, which the steps before do without."""
IMPORT = "import sys; import {module}; print(*(name for name in {names} if name in sys.modules))"


def test_the_program_is_imported_without_the_libraries_of_its_end() -> None:
    program = IMPORT.format(module="pointcloud_colmap.program", names=AT_THE_END)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    assert not subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()
