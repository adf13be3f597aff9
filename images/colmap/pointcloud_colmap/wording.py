"""Words for lists in messages, which must stay short whatever the number of photos."""

from collections.abc import Sequence
from typing import Final

_MOST: Final = 5


def listed(names: Sequence[str]) -> str:
    """`a.jpg, b.jpg and 3 more`: the first names, and how many are left out."""
    if len(names) <= _MOST:
        return ", ".join(names)
    return f"{', '.join(names[:_MOST])} and {len(names) - _MOST} more"
