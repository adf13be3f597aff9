"""How much more an attempt has after one that had too little: twice as much each time, up to a cap.

How much follows from the present setting and the recorded attempts alone, so an attempt's Job is the same whenever it
is created again. A recorded attempt counts only if it had what it would be given now, so a spec that was changed to
other amounts begins with these, and need not repeat what is known to be too little of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pointcloud_api.resource import Quantity
from pointcloud_operator.model.quantities import amount, quantity

MAX_RAISES: Final = 8
"""Of memory, and of scratch: 256 times as much. The status has room for twice as many attempts."""


@dataclass(frozen=True)
class Growth:
    """An amount that grows from attempt to attempt."""

    base: Decimal
    """What the first attempt has."""
    cap: Decimal
    """The most that is given without being asked for."""
    tried: tuple[Decimal, ...]
    """What was too little, in order."""

    @classmethod
    def of(cls, base: Quantity, cap: Quantity, tried: Iterable[Quantity | None]) -> "Growth":
        """The growth from quantities; attempts that did not lack it are None."""
        return cls(amount(base), amount(cap), tuple(amount(had) for had in tried if had is not None))

    @property
    def now(self) -> Decimal:
        """What the next attempt has."""
        has = self.base
        for had in self.tried:
            if had == has:
                has = max(has, min(2 * has, self.cap))
        return has

    def after(self, had: Decimal) -> "Growth | None":
        """The growth once this much was too little as well; None where there is no more to give.

        That is at the cap, after many raises, and where an attempt had no more than the one before it, because
        somebody else in the cluster decides how much pods get.
        """
        grown = Growth(self.base, self.cap, (*self.tried, had))
        exhausted = grown.now == had or self.tried[-1:] == (had,) or len(self.tried) >= MAX_RAISES
        return None if exhausted else grown


def listed(amounts: Sequence[Decimal]) -> tuple[str, ...]:
    """The amounts for people, each once."""
    return tuple(dict.fromkeys(quantity(each) for each in amounts))
