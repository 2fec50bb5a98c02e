"""Network: what a model is. Layers, shapes and weights by reference; nothing about chips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Layer", "Network", "TensorSpec", "Weight"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Name, shape and element type of a tensor; a size is a number, the name of a dynamic axis, or None (unknown).

    ``shape`` is None where even the rank is unknown. ``bits`` is the storage width of one element.
    """

    name: str
    shape: tuple[int | str | None, ...] | None
    dtype: str
    bits: int

    @property
    def element_count(self) -> int | None:
        """Number of elements, or None if a size is not known."""
        if self.shape is None or not all(isinstance(size, int) for size in self.shape):
            return None
        return prod(size for size in self.shape if isinstance(size, int))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weight:
    """A constant tensor by reference; ``read()`` loads it from the file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    bits: int
    read: Callable[[], NDArray[np.generic]] = field(repr=False)

    @property
    def element_count(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def stored_bytes(self) -> int:
        """Bytes at the stored precision, rounded up."""
        return (self.element_count * self.bits + 7) // 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One operator: ``inputs`` and ``outputs`` name tensors, an empty name is an input that is left out."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A model: layers in an order in which they can run.

    inputs, outputs: tensors that a caller feeds and gets. tensors: specification of every tensor that is known.
    weights: constants by name. unknown: layer name → why it cannot be understood.
    batch: the batch size that the shapes hold; unknown batch axes are bound to it when the file is read.
    path: the file it came from (forms that run on a library's own loader open it again).
    """

    name: str
    path: Path
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: tuple[Layer, ...]
    tensors: Mapping[str, TensorSpec]
    weights: Mapping[str, Weight]
    unknown: Mapping[str, str] = field(default_factory=dict)
    batch: int = 1
    notes: tuple[str, ...] = ()

    def shape(self, name: str) -> tuple[int | str | None, ...] | None:
        """Return the shape of a tensor or weight, None if it is not known."""
        if name in self.weights:
            return self.weights[name].shape
        spec = self.tensors.get(name)
        return spec.shape if spec else None
