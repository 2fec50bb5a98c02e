"""What a counting rule sees of a layer, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from twentywatts.errors import TwentyWattsError
from twentywatts.network import Layer, Network, TensorSpec, Weight

__all__ = ["LayerView", "UnknownWorkError", "Work"]


class UnknownWorkError(TwentyWattsError):
    """Raised by a rule that cannot count a layer; the text is the reason. It never leaves this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a rule counts. Bytes follow from the tensors unless the rule says otherwise.

    mac_bits: 0 means the width of the operands. is_view: nothing is read, written or computed. row_reads: elements
    that are read of an input of which only a part is touched, by position. skipped: positions of inputs that only
    steer the operator (shapes, indices) and are no parameters.
    """

    mac_count: int = 0
    op_count: int = 0
    mac_bits: int = 0
    is_view: bool = False
    row_reads: Mapping[int, int] = field(default_factory=dict)
    skipped: tuple[int, ...] = ()


class LayerView:
    """A layer with what is known of its tensors; asking for what is not known raises UnknownWorkError."""

    def __init__(self, layer: Layer, network: Network) -> None:
        self.layer = layer
        self._network = network

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute or its default."""
        return self.layer.attributes.get(name, default)

    @property
    def input_count(self) -> int:
        """Number of inputs, those left out at the end not among them."""
        names = self.layer.inputs
        while names and not names[-1]:
            names = names[:-1]
        return len(names)

    def has(self, index: int) -> bool:
        """Tell whether an input is given."""
        return index < len(self.layer.inputs) and bool(self.layer.inputs[index])

    def tensor(self, index: int) -> TensorSpec | Weight:
        """Return what is known of an input."""
        if not self.has(index):
            raise UnknownWorkError(f"input {index} is missing")
        return self._known(self.layer.inputs[index])

    def weight(self, index: int) -> Weight | None:
        """Return an input that is a constant, None if it is not."""
        return self._network.weights.get(self.layer.inputs[index]) if self.has(index) else None

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the shape of an input."""
        return _sizes(self.tensor(index))

    def output(self, index: int = 0) -> TensorSpec | Weight:
        """Return what is known of an output."""
        names = self.layer.outputs
        if index >= len(names) or not names[index]:
            raise UnknownWorkError(f"output {index} is not there")
        return self._known(names[index])

    def output_shape(self, index: int = 0) -> tuple[int, ...]:
        """Return the shape of an output."""
        return _sizes(self.output(index))

    def size(self, index: int) -> int:
        """Return the number of elements of an input."""
        return prod(self.shape(index))

    def output_size(self, index: int = 0) -> int:
        """Return the number of elements of an output."""
        return prod(self.output_shape(index))

    def _known(self, name: str) -> TensorSpec | Weight:
        found = self._network.weights.get(name) or self._network.tensors.get(name)
        if found is None or found.shape is None:
            raise UnknownWorkError(f"the shape of '{name}' is not known")
        return found


def _sizes(tensor: TensorSpec | Weight) -> tuple[int, ...]:
    shape = tuple(size for size in tensor.shape or () if isinstance(size, int))
    if tensor.shape is None or len(shape) != len(tensor.shape):
        raise UnknownWorkError(f"the shape of '{tensor.name}' is not known")
    return shape
