"""Synapses: linear maps from the events of a source to the neurons of a layer, with checked weights and windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError
from twentywatts.network_spiking.neurons import Shape

__all__ = ["Conv", "Dense", "OneToOne", "Pool", "Synapses"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense:
    """All to all; weight (outputs, inputs), float32 or int8, over the source's neurons flattened channels first."""

    weight: NDArray[np.generic]

    def __post_init__(self) -> None:
        """Raise InputError for weights that cannot be run."""
        object.__setattr__(self, "weight", _weight(self.weight, "Dense", 2))

    def out_shape(self, in_shape: Shape) -> Shape:
        """Return the shape that is reached; raises InputError where the inputs do not fit."""
        if prod(in_shape) != self.weight.shape[1]:
            raise InputError(f"Dense weights take {self.weight.shape[1]} inputs, the source has {prod(in_shape)}")
        return (self.weight.shape[0],)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneToOne:
    """Neuron i of the source to neuron i only; weight of the source's shape (or one that broadcasts to it)."""

    weight: NDArray[np.generic]

    def __post_init__(self) -> None:
        """Raise InputError for weights that cannot be run."""
        object.__setattr__(self, "weight", _weight(self.weight, "OneToOne", None))

    def out_shape(self, in_shape: Shape) -> Shape:
        """Return the source's shape; raises InputError where the weights do not fit it."""
        try:
            fits = np.broadcast_shapes(self.weight.shape, in_shape) == in_shape
        except ValueError:
            fits = False
        if not fits:
            raise InputError(f"OneToOne weights of shape {self.weight.shape} do not fit a source of shape {in_shape}")
        return in_shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conv:
    """A convolution; weight (out channels, in channels / groups, *kernel), float32 or int8, 1 to 3 axes.

    stride, dilation: a number, or one per axis. padding: a number, one per axis, or (begin, end) per axis.
    """

    weight: NDArray[np.generic]
    stride: int | Sequence[int] = 1
    padding: int | Sequence[int] | Sequence[tuple[int, int]] = 0
    dilation: int | Sequence[int] = 1
    groups: int = 1

    def __post_init__(self) -> None:
        """Raise InputError for weights or a window that cannot be run."""
        object.__setattr__(self, "weight", _weight(self.weight, "Conv", None))
        if not 3 <= self.weight.ndim <= 5:
            raise InputError(f"Conv weights need 1 to 3 spatial axes, got shape {self.weight.shape}")
        if self.groups < 1 or self.weight.shape[0] % self.groups:
            raise InputError(f"{self.weight.shape[0]} out channels do not part into {self.groups} groups")
        self.window()

    def window(self) -> tuple[Shape, tuple[tuple[int, int], ...], Shape]:
        """Return strides, pads (begin, end) and dilations, one entry per axis."""
        return _window(self.stride, self.padding, self.dilation, self.weight.ndim - 2)

    def out_shape(self, in_shape: Shape) -> Shape:
        """Return the shape that is reached; raises InputError where the inputs do not fit."""
        inputs = self.weight.shape[1] * self.groups
        if len(in_shape) != self.weight.ndim - 1 or in_shape[0] != inputs:
            raise InputError(
                f"Conv takes {inputs} channels and {self.weight.ndim - 2} spatial axes, the source has shape {in_shape}"
            )
        return (self.weight.shape[0], *_moved(in_shape[1:], self.weight.shape[2:], self.window()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Sum (or mean) over windows of each channel; padding counts as zeros in the mean. Put ``relay`` neurons behind."""

    kernel: Sequence[int]
    stride: int | Sequence[int] = 1
    padding: int | Sequence[int] | Sequence[tuple[int, int]] = 0
    mean: bool = False

    def __post_init__(self) -> None:
        """Raise InputError for a window that cannot be run."""
        object.__setattr__(self, "kernel", tuple(self.kernel))
        if not 1 <= len(self.kernel) <= 3 or min(self.kernel) < 1:
            raise InputError(f"Pool needs a window of 1 to 3 positive sizes, got {self.kernel}")
        self.window()

    def window(self) -> tuple[Shape, tuple[tuple[int, int], ...], Shape]:
        """Return strides, pads (begin, end) and dilations, one entry per axis."""
        return _window(self.stride, self.padding, 1, len(self.kernel))

    def out_shape(self, in_shape: Shape) -> Shape:
        """Return the shape that is reached; raises InputError where the inputs do not fit."""
        if len(in_shape) != len(self.kernel) + 1:
            raise InputError(f"Pool over {len(self.kernel)} axes does not fit a source of shape {in_shape}")
        return (in_shape[0], *_moved(in_shape[1:], tuple(self.kernel), self.window()))


Synapses = Dense | Conv | Pool | OneToOne


def _weight(weight: NDArray[np.generic], what: str, rank: int | None) -> NDArray[np.generic]:
    array = np.asarray(weight)
    if rank is not None and array.ndim != rank:
        raise InputError(f"{what} weights need {rank} axes, got shape {array.shape}")
    if array.size == 0:
        raise InputError(f"{what} weights are empty: shape {array.shape}")
    if array.dtype == np.int8:
        return array
    if array.dtype.kind not in "fiu":
        raise InputError(f"{what} weights must be float32 or int8, got {array.dtype}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    if not np.all(np.isfinite(array)):
        raise InputError(f"{what} weights hold NaN or infinity")
    return array


def _window(
    stride: object, padding: object, dilation: object, rank: int
) -> tuple[Shape, tuple[tuple[int, int], ...], Shape]:
    strides, dilations, pads = _per_axis(stride, rank), _per_axis(dilation, rank), np.asarray(padding)
    if pads.ndim < 2:
        pads = np.repeat(np.broadcast_to(pads, (rank,))[:, None] if pads.size in (1, rank) else pads[:, None], 2, 1)
    if pads.dtype.kind not in "iu" or pads.shape != (rank, 2) or pads.min() < 0 or min(*strides, *dilations) < 1:
        raise InputError(f"a window over {rank} axes cannot have stride {stride}, padding {padding}, {dilation=}")
    return strides, tuple((int(a), int(b)) for a, b in pads), dilations


def _per_axis(value: object, rank: int) -> Shape:
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.size not in (1, rank):
        raise InputError(f"a window over {rank} axes needs whole numbers, one or one per axis; got {value}")
    return tuple(int(x) for x in np.broadcast_to(array.ravel(), (rank,)))


def _moved(shape: Shape, kernel: Shape, window: tuple[Shape, tuple[tuple[int, int], ...], Shape]) -> Shape:
    moved = tuple(
        (size + a + b - d * (k - 1) - 1) // s + 1 for size, k, s, (a, b), d in zip(shape, kernel, *window, strict=True)
    )
    if min(moved) < 1:
        raise InputError(f"a window of {kernel} does not fit into {shape}")
    return moved
