"""Arrays that need not be in memory at once."""

from typing import Any, Protocol

from numpy.typing import NDArray


class Rows(Protocol):
    """An array, or what makes one of the rows that it is asked for."""

    def __len__(self) -> int:
        """How many rows there are."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """Some of them."""
