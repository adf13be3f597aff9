"""The metadata.json of a Potree 2.0 octree, in Potree's own words."""

import math
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pointcloud_potree.points import PointAttribute
from pointcloud_potree.survey import Range

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
    histogram: list[int] | None = None
    """Of one byte, signed or not, how often each of its 256 bit patterns occurs."""


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


_TYPES: Final = {
    "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64",
    "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64", "f4": "float", "f8": "double",
}  # fmt: skip


def position_attribute(low: list[float], high: list[float]) -> Attribute:
    """The attribute that every octree has first, with the points' tight bounds."""
    return Attribute(name="position", size=12, num_elements=3, element_size=4, type="int32", min=low, max=high)


def point_attribute(attribute: PointAttribute, values: Range) -> Attribute:
    """Any other attribute."""
    return Attribute(
        name=attribute.name,
        description=attribute.description,
        size=attribute.size,
        num_elements=attribute.elements,
        element_size=attribute.dtype.itemsize,
        type=_TYPES[attribute.dtype.str[1:]],
        min=[low if math.isfinite(low) else 0.0 for low in values.low],
        max=[high if math.isfinite(high) else 0.0 for high in values.high],
        scale=[1.0] * attribute.elements,
        offset=[0.0] * attribute.elements,
        histogram=None if values.histogram is None else list(values.histogram),
    )
