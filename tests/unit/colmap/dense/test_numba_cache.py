"""An image carries the kernels for processors with AVX2 and without, and compiles none when it runs."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pointcloud_colmap.dense.compiled import GENERIC, WITH_AVX2, processors, this_processor
from tests.unit.colmap.dense.planes import cameras, shots, workspace_of

ESTIMATE_WHERE_NOTHING_CAN_BE_WRITTEN = """
import sys
import tempfile
from pathlib import Path

def refuse(*_args, **_options):
    raise OSError("Read-only file system")

tempfile.TemporaryFile = refuse  # what numba asks by whether it can write

from pointcloud_colmap.dense import agreement, filters, grids, matching
from pointcloud_colmap.dense.fusion import fuse_maps
from pointcloud_colmap.dense.patch_match import estimate_maps
from pointcloud_colmap.dense.recipe import Recipe
from pointcloud_colmap.dense.views import read_views
from pointcloud_colmap.depth_maps import Pass

recipe, workspace = Recipe(coarsest=64), Path(sys.argv[1])
views = read_views(workspace, sources=recipe.sources)
made = estimate_maps(workspace, views, recipe=recipe, threads=2, memory=0, tell=lambda done, total: None)
fuse_maps(workspace, made.estimated, made_in=Pass.GEOMETRIC, pixel_centre=0.5, scratch=workspace / "packed",
          output=workspace / "points", threads=2, tell=lambda done, total: None)
kernels = {kernel for module in (agreement, filters, grids, matching) for kernel in vars(module).values()
           if hasattr(kernel, "stats")}
used = [kernel for kernel in kernels if kernel.signatures]
assert {matching.begin, matching.sweep, filters._remove_specks, agreement.gather} <= set(used)
print(sum(sum(kernel.stats.cache_misses.values()) for kernel in used))
"""


def python(*arguments: str, environment: Mapping[str, str]) -> str:
    return subprocess.run(
        [sys.executable, *arguments], env=dict(environment), check=True, capture_output=True, text=True
    ).stdout


def test_a_baked_cache_is_used_by_every_kind_of_processor_where_nothing_can_be_written(tmp_path: Path) -> None:
    made = shots(cameras(3))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")},
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NUMBA_CACHE_LOCATOR_CLASSES": "pointcloud_stage.numba_cache.BakedCacheLocator",
        "NUMBA_CACHE_DIR": str(tmp_path / "kernels"),
    }
    python("-m", "pointcloud_colmap.dense.numba_cache", environment=environment)
    baked = sorted((tmp_path / "kernels").rglob("*"))
    for number, processor in enumerate({tuple(GENERIC.items()), tuple(this_processor().items())}):
        workspace = workspace_of(tmp_path / str(number), made)
        arguments = ("-c", ESTIMATE_WHERE_NOTHING_CAN_BE_WRITTEN, str(workspace))
        assert python(*arguments, environment={**environment, **dict(processor)}).strip() == "0"
    assert sorted((tmp_path / "kernels").rglob("*")) == baked


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other architectures have one kind")
def test_a_processor_without_avx2_gets_the_code_for_any(tmp_path: Path) -> None:
    flags = "fpu sse sse2 ssse3 sse4_1 sse4_2 popcnt avx f16c fma bmi1 bmi2 abm movbe xsave"
    (tmp_path / "old").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    (tmp_path / "new").write_text(f"processor\t: 0\nflags\t\t: {flags} avx2\n")
    assert this_processor(tmp_path / "old") == GENERIC
    assert this_processor(tmp_path / "new") == WITH_AVX2
    assert set(map(str, processors())) == {str(GENERIC), str(WITH_AVX2)}


def test_the_processor_is_chosen_though_something_else_imported_numba_before() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    asked = "import numba; import pointcloud_colmap.dense.compiled; print(numba.config.CPU_NAME)"
    assert python("-c", asked, environment=environment).strip() == this_processor()["NUMBA_CPU_NAME"]
