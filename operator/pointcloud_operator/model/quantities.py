"""Kubernetes' quantities, such as 16Gi and 500m, as numbers and back.

The official client has the same, for the price of importing all its models.
"""

import re
from decimal import Decimal
from typing import Final

from pointcloud_api.resource import Quantity

_UNITS: Final = {
    "Ei": Decimal(2**60),
    "E": Decimal(10**18),
    "Pi": Decimal(2**50),
    "P": Decimal(10**15),
    "Ti": Decimal(2**40),
    "T": Decimal(10**12),
    "Gi": Decimal(2**30),
    "G": Decimal(10**9),
    "Mi": Decimal(2**20),
    "M": Decimal(10**6),
    "Ki": Decimal(2**10),
    "k": Decimal(10**3),
    "": Decimal(1),
    "m": Decimal("1e-3"),
    "u": Decimal("1e-6"),
    "n": Decimal("1e-9"),
}
"""The largest first."""
_PATTERN: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([A-Za-z]{0,2})")


def amount(quantity: Quantity) -> Decimal:
    """The number that a quantity stands for. Raises ValueError for what is none."""
    match = _PATTERN.fullmatch(str(quantity))
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{quantity} is no quantity: write one such as 4, 500m or 16Gi")
    return Decimal(match[1]) * _UNITS[match[2]]


def quantity(number: Decimal) -> str:
    """The number with the largest unit that needs no fraction, such as 16Gi."""
    unit = next((unit for unit, size in _UNITS.items() if number >= size and number % size == 0), "n")
    return f"{int(number / _UNITS[unit])}{unit}" if number else "0"
