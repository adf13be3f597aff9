"""COLMAP's map files: read as it writes them, and never half of one."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest

from pointcloud_colmap.dense.maps import MapFiles, read_map
from pointcloud_colmap.depth_maps import Pass


def test_maps_that_colmap_wrote_are_read(tmp_path: Path) -> None:
    depths = np.arange(12, dtype=np.float32).reshape(3, 4)
    pycolmap.DepthMap.from_array(depths, 0.5, 12.0).write(tmp_path / "depth.bin")
    np.testing.assert_array_equal(read_map(tmp_path / "depth.bin"), depths[None])


def test_a_map_is_there_when_it_is_whole(tmp_path: Path) -> None:
    maps = MapFiles.of(tmp_path, "folder/a b.jpg", Pass.GEOMETRIC)
    assert maps.depth == tmp_path / "stereo/depth_maps/folder/a b.jpg.geometric.bin"
    assert not maps.exist()
    maps.write(np.ones((2, 3), np.float32), np.zeros((3, 2, 3), np.float32))
    assert maps.exist()
    assert [file.name for file in maps.depth.parent.iterdir()] == ["a b.jpg.geometric.bin"]
    maps.normal.unlink()
    assert not maps.exist()


@pytest.mark.parametrize("content", [b"", b"3&2&", b"3&x&1&abc", b"\x89PNG"])
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(ValueError, match="is no map"):
        read_map(tmp_path / "a.bin")
