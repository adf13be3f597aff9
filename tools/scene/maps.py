"""Writes true depths and normals of a scene as COLMAP's depth and normal maps.

Format: https://colmap.github.io/format.html#dense-reconstruction.
"""

from pathlib import Path

from tools.scene.camera import FloatArray


def write_map(file: Path, array: FloatArray) -> None:
    """Write an array (height, width) or (height, width, channels); the folder is made."""
    height, width, *rest = array.shape
    channels = array.reshape(height, width, -1).transpose(2, 0, 1).astype("<f4")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(f"{width}&{height}&{rest[0] if rest else 1}&".encode() + channels.tobytes())
