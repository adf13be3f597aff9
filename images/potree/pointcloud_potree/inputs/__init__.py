"""Reads point clouds of any format that people have, block by block: PLY, LAS, LAZ and COLMAP's models.

One module a format, each with a `PointSource`. What they share is what the octree's viewers ask for: names and types
of attributes (`attributes`) and colours of 16 bits (`colours`).
"""

from pointcloud_potree.inputs.arrays import ArrayPoints
from pointcloud_potree.inputs.chosen import ChosenPoints
from pointcloud_potree.inputs.failure import UnreadablePointsError
from pointcloud_potree.inputs.joined import JoinedPoints
from pointcloud_potree.inputs.opening import open_points

__all__ = ["ArrayPoints", "ChosenPoints", "JoinedPoints", "UnreadablePointsError", "open_points"]
