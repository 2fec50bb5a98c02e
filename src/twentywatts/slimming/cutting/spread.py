"""The state of a walk that spreads atoms from tensor to tensor; the rules of operators read and write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.network import Layer
from twentywatts.slimming.cutting.atoms import Atoms, Axis, Numbers
from twentywatts.slimming.cutting.settle import Settled

__all__ = ["MAX_ATOMS", "Axes", "Key", "NotUnderstoodError", "Spread"]

Axes = tuple[Axis, ...]
Key = tuple[str, int, int]

MAX_ATOMS = 2**22  # along one axis; a longer one is never cut


class NotUnderstoodError(Exception):
    """A layer whose axes cannot be followed; the text says why."""


class Spread:
    """Axes of every tensor as atoms.

    settled: the model. choices: which part of an axis that is split or merged may be cut, by layer; None on the first
    walk, which finds them out. through_norms: follow an axis through a mean over it (``shared`` holds those axes).
    parted: the stretches that a layer cuts an axis into; its sizes hang on how many go of each stretch.
    """

    def __init__(self, settled: Settled, choices: Mapping[Key, int] | None, *, through_norms: bool = False) -> None:
        self.settled = settled
        self.through_norms = through_norms
        self.shared: list[Axis] = []
        self.parted: list[list[Axis]] = []
        self.network = settled.first
        self.atoms = Atoms()
        self.choices = choices
        self.candidates: dict[Key, list[Axis]] = {}
        self.axes: dict[str, Axes] = {}
        self.readers: set[tuple[str, int]] = set()
        self.makers: dict[tuple[str, int], str] = {}

    def sizes(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape; raises NotUnderstoodError where a size is not known."""
        return self.both_sizes(name)[0]

    def both_sizes(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return a tensor's shape in both walks of the model."""
        found = self.settled.sizes(name)
        if found is None or len(found[0]) != len(found[1]) or prod(found[0]) == 0:
            raise NotUnderstoodError(f"the shape of '{name}' is not known")
        return found

    def of(self, name: str) -> Axes:
        """Return the axes of a tensor; those of a constant are made when it is first read."""
        if name not in self.axes:
            sizes = self.sizes(name)
            if name not in self.network.weights:
                raise NotUnderstoodError(f"'{name}' is made by no layer before it")
            self.axes[name] = tuple(self.fresh(size) for size in sizes)
        return self.axes[name]

    def fresh(self, size: int) -> Axis:
        """Return new atoms for an axis; None for one of a single position, or one too long to be followed."""
        return self.atoms.fresh(size) if 1 < size <= MAX_ATOMS else None

    def pin(self, axes: Sequence[Axis]) -> None:
        """Mark whole axes as staying."""
        for axis in axes:
            self.atoms.pin(axis)

    def pin_tensor(self, name: str) -> None:
        """Mark every axis of a tensor as staying, as far as they are known."""
        try:
            self.pin(self.of(name))
        except NotUnderstoodError:
            self.axes.setdefault(name, ())

    def is_weight(self, name: str) -> bool:
        """Tell whether a tensor is a constant of the model."""
        return name in self.network.weights

    def read(self, name: str, index: int, axis: Axis) -> None:
        """Note that a layer sums over axis ``index`` of the constant ``name``, whose atoms are those of ``axis``."""
        self.atoms.same(self.of(name)[index], axis)
        self.readers.add((name, index))

    def make(self, layer: Layer, name: str, index: int) -> Axis:
        """Return axis ``index`` of the constant ``name`` as one that ``layer`` makes."""
        self.makers.setdefault((name, index), layer.name)
        return self.of(name)[index]

    def constant(self, layer: Layer, index: int) -> NDArray[Any] | None:
        """Return the value of a constant input, None where it is left out; raises NotUnderstoodError if computed."""
        if len(layer.inputs) <= index or not layer.inputs[index]:
            return None
        name = layer.inputs[index]
        if not self.is_weight(name):
            raise NotUnderstoodError(f"'{name}' is computed while it runs")
        return np.asarray(self.network.weights[name].read())

    def numbers(self, layer: Layer, index: int) -> list[int]:
        """Return a constant input as a list of whole numbers; raises NotUnderstoodError where there is none."""
        value = self.constant(layer, index)
        if value is None:
            raise NotUnderstoodError(f"its input {index} is left out")
        return [int(number) for number in np.ravel(value)]

    def broadcast(self, names: Sequence[str], shape: Sequence[int]) -> Axes:
        """Return the axes of what elementwise arithmetic makes of tensors, aligned at the last axis."""
        result: list[Axis] = []
        for place in range(-len(shape), 0):
            axis: Axis = None
            is_first = True
            for name in names:
                sizes = self.sizes(name)
                if len(sizes) < -place or (sizes[place] == 1 and shape[place] != 1):
                    continue
                own = self.of(name)[place]
                axis = own if is_first else self.atoms.same(axis, own)
                is_first = False
            result.append(axis)
        return tuple(result)

    def tie_rows(self, table: Numbers) -> Numbers:
        """Tie the atoms of each row of a table, and return one per row."""
        self.atoms.tie(table, table[:, :1])
        return table[:, 0]
