"""Whom a request comes from."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class User:
    """A user as Kubernetes knows one: RBAC says what they may do, whichever way they signed in."""

    name: str
    groups: tuple[str, ...] = ()


ANONYMOUS: Final = User("system:anonymous", ("system:unauthenticated",))
"""Nobody in particular, in Kubernetes' words."""
