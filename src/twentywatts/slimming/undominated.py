"""What no other beats in both cost and loss: the one loop behind every front."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["undominated"]

_One = TypeVar("_One")


def undominated(
    items: Iterable[_One], *, cost: Callable[[_One], float], loss: Callable[[_One], float], with_equals: bool = False
) -> list[_One]:
    """Return the items that no other beats in both, the cheapest first; of equals in both the first that was given.

    with_equals: of those equal in loss the dearer stay too.
    """
    found: list[_One] = []
    for item in sorted(items, key=lambda one: (cost(one), loss(one))):
        if not found or loss(item) < loss(found[-1]) or (with_equals and loss(item) == loss(found[-1])):
            found.append(item)
    return found
