"""The metadata.json of a Potree 2.0 octree, in Potree's own words."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pointcloud_potree.grid import Vector

Vector3 = Annotated[list[float], Field(min_length=3, max_length=3)]


class _Potree(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False)


class Hierarchy(_Potree):
    """How hierarchy.bin is cut into chunks."""

    first_chunk_size: int
    step_size: int
    depth: int


class BoundingBox(_Potree):
    """The cube that the octree halves, in the cloud's unit."""

    min: Vector3
    max: Vector3


class Attribute(_Potree):
    """What is stored of a point. The position's min and max are the points' tight bounds."""

    name: str
    description: str = ""
    size: int
    num_elements: int
    element_size: int
    type: str
    min: list[float]
    max: list[float]
    scale: list[float] = [1.0, 1.0, 1.0]
    offset: list[float] = [0.0, 0.0, 0.0]


class Metadata(_Potree):
    """The whole document."""

    version: Literal["2.0"] = "2.0"
    name: str
    description: str = ""
    points: int
    projection: str = ""
    hierarchy: Hierarchy
    offset: Vector3
    scale: Vector3
    spacing: float
    bounding_box: BoundingBox
    encoding: Literal["DEFAULT", "BROTLI"]
    attributes: list[Attribute]


def position_attribute(low: Vector, high: Vector) -> Attribute:
    """The attribute that every octree of ours has first."""
    return Attribute(name="position", size=12, num_elements=3, element_size=4, type="int32", min=[*low], max=[*high])


def rgb_attribute(low: list[float], high: list[float]) -> Attribute:
    """The attribute that every octree of ours has second: 16 bits a channel, of which the high 8 are ours."""
    return Attribute(name="rgb", size=6, num_elements=3, element_size=2, type="uint16", min=low, max=high)
