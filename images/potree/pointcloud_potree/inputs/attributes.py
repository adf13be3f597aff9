"""What an attribute may be called and of which type it may be, so that Potree's viewers read it.

The viewers (potree-core, and Potree 1.8: modules/loader/2.0/DecoderWorker.js) decode integers of up to 32 bits and
floats; an attribute of 64-bit integers makes them fail on every node. By their names they know positions, colours and
normals, which they decode in ways of their own.
"""

from collections.abc import Collection
from typing import Any, Final

import numpy as np

from pointcloud_potree.points import PointAttribute

DECODABLE: Final = tuple(np.dtype(code) for code in ("i1", "u1", "<i2", "<u2", "<i4", "<u4", "<f4", "<f8"))
RGB: Final = PointAttribute(name="rgb", dtype=np.dtype("<u2"), elements=3)
_RESERVED: Final = {"position", "position_cartesian", "rgb", "rgba", "normal", "indices"}
"""In lower case, names that viewers decode in a way of their own."""


def decodable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type to store numbers of another as: little-endian; float64 for what viewers cannot decode."""
    little = dtype.newbyteorder("<")
    return little if little in DECODABLE else np.dtype("<f8")


def free_name(name: str, taken: Collection[str]) -> str:
    """A name for a scalar that is neither taken nor one that viewers decode in a way of their own."""
    wanted = name.strip() or "unnamed"
    candidate, number = wanted, 1
    while candidate in taken or candidate.lower() in _RESERVED:
        number += 1
        candidate = f"{wanted} ({number})"
    return candidate
