"""How to start COLMAP alone, with the stage's options, by a process that has nothing of the stage in memory."""

import pickle
import sys
from pathlib import Path

from pointcloud_api.resource import Quality
from pointcloud_colmap.presets import PRESETS
from pointcloud_stage.limits import cpu_limit


def command(photos: Path, scratch: Path, quality: Quality) -> list[str]:
    """The command that reconstructs a folder of photos into the folder `scratch`, which exists."""
    preset, threads = PRESETS[quality], cpu_limit()
    options = {
        "extraction": preset.extraction(num_threads=threads),
        "matching": preset.matching(num_threads=threads),
        "verification": preset.verification(),
        "mapping": preset.incremental_mapping(num_threads=threads, video=False),
    }
    file = scratch / "options.pickle"
    file.write_bytes(pickle.dumps(options))
    return [sys.executable, "-m", "tools.bench.bare", str(photos), str(scratch), str(file)]
