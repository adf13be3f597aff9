"""What the stage costs beside bare COLMAP, and for what.

    python -m tools.bench.overhead [PHOTO...] [--rounds 3] [--quality medium]

Reconstructs photos (by default twenty rendered ones) by the stage's real program and by a script of pycolmap calls with
the same options, threads and pairs (`tools.bench.bare`), in turn. Prints the least wall and processor seconds of each
and their peak memory, all processes together, and the processor seconds by step. The stage's include all that the
script does without: its supervisor, bringing and storing the photos, features, pairs and snapshots, cleaning, placing,
and the other files.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pointcloud_api.resource import Density, Quality
from pointcloud_api.stages import ExitCode, ReconstructDocument, ReconstructSettings
from pointcloud_colmap.shares import all_pairs
from tests.fixtures.stages import start_stage
from tests.fixtures.store import StoreServer, run_store
from tools.bench.alone import command
from tools.bench.by_step import MARK
from tools.bench.checkpoint import JOB, ingested
from tools.bench.processor import PeakMemory
from tools.scene.photos import write

# click is not in the stage's image, but here, where httpx finds it and takes its command line's 11 MB with it.
_ENTRY: Final = (
    "import sys; sys.modules['click'] = None; "
    "from pointcloud_stage import main; main('tools.bench.by_step:reconstruct_by_step')"
)


@dataclass(frozen=True)
class Cost:
    """Of one run."""

    wall: float
    processor: float
    """Seconds of all processors, in all of its processes."""
    memory: int
    """Bytes: the peaks of its processes, summed up."""
    by_step: dict[str, float]
    """Processor seconds."""


def _measured(start: Callable[[], tuple[int, Callable[[], str]]]) -> Cost:
    """Of what `start` starts: it gives a process's number, and what waits for its end and gives what it printed."""
    begun, before = time.monotonic(), os.times()
    process, wait = start()
    memory = PeakMemory(process)
    printed = wait()
    wall, after = time.monotonic() - begun, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    (steps,) = (line.partition(MARK)[2] for line in printed.splitlines() if MARK in line)
    return Cost(wall=wall, processor=spent, memory=memory.end(), by_step=json.loads(steps))


def bare(photos: Path, scratch: Path, quality: Quality) -> Cost:
    """One run of COLMAP alone on a folder of photos."""
    scratch.mkdir()

    def start() -> tuple[int, Callable[[], str]]:
        process = subprocess.Popen(
            command(photos, scratch, quality), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return process.pid, lambda: MARK + process.communicate()[0]

    return _measured(start)


def ours(store: StoreServer, scratch: Path, quality: Quality, *, key: str) -> Cost:
    """One run of the stage on the photos in the store."""
    document = ReconstructDocument(
        **JOB,
        key=key,
        attempt=1,
        store_url=store.url,
        upstream="photos",
        settings=ReconstructSettings(quality=quality, density=Density.SPARSE),
        device="cpu",
    )

    def start() -> tuple[int, Callable[[], str]]:
        stage = start_stage(
            ["-c", _ENTRY],
            document,
            store=store,
            tmp_path=scratch,
            pod_uid=f"pod-of-{key}",
            variables={"PYTHONPATH": os.pathsep.join(sys.path)},
        )

        def wait() -> str:
            run = stage.wait(patience=None)
            if run.exit_code != ExitCode.DONE:
                raise SystemExit(run.stdout)
            return run.stdout

        return stage.process.pid, wait

    return _measured(start)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quality", type=Quality, default=Quality.MEDIUM)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, run_store(Path(name) / "store") as store:
        scratch = Path(name)
        photos = options.photos
        if not photos:
            write(scratch / "scene")
            photos = sorted((scratch / "scene" / "photos").iterdir())
        folder = scratch / "photos"
        folder.mkdir()
        for photo in photos:
            shutil.copy(photo, folder)
        ingested(store, photos)
        alone, stage = [], []
        for number in range(options.rounds):
            alone.append(bare(folder, scratch / f"bare-{number}", options.quality))
            stage.append(ours(store, scratch, options.quality, key=f"ours-{number}"))
            _tell_of_round(alone[-1], stage[-1])
        print(f"{len(photos)} photos at {options.quality} quality, {all_pairs(len(photos))} pairs")
        _tell(alone, stage)


def _tell_of_round(alone: Cost, stage: Cost) -> None:
    print(
        f"wall {alone.wall:.1f} and {stage.wall:.1f} s, processor {alone.processor:.1f} and {stage.processor:.1f} s",
        file=sys.stderr,
        flush=True,
    )


def _tell(alone: Sequence[Cost], stage: Sequence[Cost]) -> None:
    print("| | COLMAP alone | The stage | Times |\n| --- | --- | --- | --- |")
    _row("wall seconds", [cost.wall for cost in alone], [cost.wall for cost in stage])
    _row("processor seconds", [cost.processor for cost in alone], [cost.processor for cost in stage])
    _row("peak memory, MB", [cost.memory / 1e6 for cost in alone], [cost.memory / 1e6 for cost in stage])
    for step in dict.fromkeys([*alone[0].by_step, *stage[0].by_step]):
        _row(step, [cost.by_step.get(step, 0.0) for cost in alone], [cost.by_step[step] for cost in stage])
    rest = "start, supervisor, storing the result"
    _row(rest, *([cost.processor - sum(cost.by_step.values()) for cost in costs] for costs in (alone, stage)))


def _row(name: str, alone: Sequence[float], stage: Sequence[float]) -> None:
    """The least of each: what other work on the machine adds is not the program's."""
    one, other = min(alone), min(stage)
    print(f"| {name} | {one:.1f} | {other:.1f} | {f'{other / one:.3f}' if one >= 1 else ''} |", flush=True)


if __name__ == "__main__":
    main()
