"""Atoms: positions of tensor axes, and which of them can only go together (a union of sets, by number)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["PINNED", "Atoms", "Axis", "Numbers"]

Numbers = NDArray[np.int64]
Axis = Numbers | None  # the atoms along an axis; None where the axis can never be cut
PINNED = 0  # the set of what must stay


class Atoms:
    """Sets of atoms that stay or go together; the set of atom 0 stays. Grows only, within one walk."""

    def __init__(self) -> None:
        self._parents: Numbers = np.zeros(1024, dtype=np.int64)
        self._count = 1

    def fresh(self, count: int) -> Numbers:
        """Return atoms that are tied to nothing yet."""
        made = np.arange(self._count, self._count + count)
        self._count += count
        if self._count > len(self._parents):
            parents = np.zeros(2 * self._count, dtype=np.int64)
            parents[: len(self._parents)] = self._parents
            self._parents = parents
        self._parents[made] = made
        return made

    def roots(self, atoms: Numbers) -> Numbers:
        """Return each atom's set, as the least atom in it."""
        found = self._parents[atoms]
        while True:
            further = self._parents[found]
            if np.array_equal(further, found):
                self._parents[atoms] = found
                return found
            found = further

    def tie(self, left: Numbers, right: Numbers) -> None:
        """Put the atoms of two arrays, which are broadcast, into the same sets one by one."""
        one, other = (self.roots(atoms).ravel() for atoms in np.broadcast_arrays(left, right))
        differ = one != other
        for pair in set(zip(one[differ].tolist(), other[differ].tolist(), strict=True)):
            low, high = sorted(map(self._root, pair))
            self._parents[high] = low

    def pin(self, axis: Axis) -> None:
        """Mark atoms as staying."""
        if axis is not None:
            self.tie(axis, np.zeros(1, dtype=np.int64))

    def same(self, left: Axis, right: Axis) -> Axis:
        """Return the atoms of two axes that are one; both stay where one of them does."""
        if left is None or right is None:
            self.pin(left)
            self.pin(right)
            return None
        self.tie(left, right)
        return left

    def is_free(self, axis: Axis) -> bool:
        """Tell whether any atom of an axis may go."""
        return axis is not None and bool((self.roots(axis) != PINNED).any())

    def _root(self, atom: int) -> int:
        while (parent := int(self._parents[atom])) != atom:
            atom = parent
        return atom
