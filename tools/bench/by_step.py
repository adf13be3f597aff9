"""The stage's program, whose steps are measured in processor seconds besides; imports nothing else that takes memory.

Prints them as a line of JSON after `MARK`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

from pointcloud_api.stages import ReconstructDocument
from pointcloud_colmap.program import reconstruct
from pointcloud_colmap.stopwatch import Stopwatch
from pointcloud_stage import Outcome, StageContext
from tools.bench.processor import Steps

MARK: Final = "processor seconds by step: "


def reconstruct_by_step(context: StageContext[ReconstructDocument]) -> Outcome:
    """Run it."""
    steps, timed = Steps(), Stopwatch.step

    @contextmanager
    def both(stopwatch: Stopwatch, name: str) -> Iterator[None]:
        with steps.step(name), timed(stopwatch, name):
            yield

    with patch.object(Stopwatch, "step", both):
        outcome = reconstruct(context)
    print(MARK + json.dumps(steps.seconds), flush=True)
    return outcome
