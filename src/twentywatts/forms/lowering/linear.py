"""Linear maps of convolving networks in one shape: which input position meets which output position by which weight.

A signal has ``channels`` and ``positions`` (the product of its spatial sizes, 1 for a dense layer's output). A dense
layer is a convolution with one position and one tap, a pooling is a depthwise one; so one engine runs them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import RefusedError

__all__ = [
    "Floats",
    "Frame",
    "Geometry",
    "Linear",
    "apply",
    "convolution",
    "dense",
    "diagonal",
    "mean_after",
    "pooling",
]

Floats = NDArray[np.float64]
_MOST_TAPS = 2**26  # of one layer: three numbers each, some gigabytes
_Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """How a window moves, one entry per axis; pads are (begin, end)."""

    strides: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    dilations: tuple[int, ...]

    @classmethod
    def plain(cls, rank: int) -> Frame:
        """Return a window that moves by one, with no padding."""
        return cls(strides=(1,) * rank, pads=((0, 0),) * rank, dilations=(1,) * rank)

    def out_shape(self, in_shape: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """Return the number of whole windows on each axis."""
        sizes = zip(in_shape, kernel, self.strides, self.pads, self.dilations, strict=True)
        return tuple((n + a + b - d * (k - 1) - 1) // s + 1 for n, k, s, (a, b), d in sizes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Geometry:
    """Connections of a linear map by position.

    Row r says that input position ``taps_in[r]`` reaches output position ``taps_out[r]`` by the kernel's entry
    ``taps_kernel[r]``; rows are sorted by input position. groups: independent sets of channels.
    """

    in_channels: int
    in_positions: int
    out_channels: int
    out_shape: tuple[int, ...]
    kernel_count: int
    groups: int
    taps_in: NDArray[np.int64]
    taps_kernel: NDArray[np.int64]
    taps_out: NDArray[np.int64]

    @property
    def out_positions(self) -> int:
        """Number of output positions."""
        return prod(self.out_shape)

    @property
    def fan_in_count(self) -> int:
        """Connections into one neuron away from the border."""
        return self.in_channels // self.groups * self.kernel_count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear:
    """A linear map: geometry and weight of shape (in channels, kernel entries, out channels of the group)."""

    geometry: Geometry
    weight: Floats

    def by_output(self) -> Floats:
        """Return the weights of each output channel as a row, shape (out channels, fan-in)."""
        groups, (channels, kernel, width) = self.geometry.groups, self.weight.shape
        parted = self.weight.reshape(groups, channels // groups, kernel, width)
        return parted.transpose(0, 3, 1, 2).reshape(groups * width, -1)

    def with_rows(self, rows: Floats) -> Linear:
        """Return the same map with weights given as ``by_output`` returns them."""
        groups, (channels, kernel, width) = self.geometry.groups, self.weight.shape
        parted = rows.reshape(groups, width, channels // groups, kernel).transpose(0, 2, 3, 1)
        return replace(self, weight=parted.reshape(channels, kernel, width))

    def scaled_inputs(self, scale: Floats) -> Linear:
        """Return the map with input channels scaled, scale of shape (in channels,)."""
        return replace(self, weight=self.weight * scale[:, None, None])

    def scaled_outputs(self, scale: Floats) -> Linear:
        """Return the map with output channels scaled, scale of shape (out channels,)."""
        return self.with_rows(self.by_output() * scale[:, None])

    def for_inputs(self, first: int, count: int) -> Linear:
        """Return the map of some input channels; the groups must not be cut, a sole group may."""
        geometry = self.geometry
        if (first, count) == (0, geometry.in_channels):
            return self
        part = replace(geometry, in_channels=count)
        return Linear(geometry=part, weight=self.weight[first : first + count])


def dense(weight: Floats) -> Linear:
    """Return a dense layer; weight of shape (inputs, outputs)."""
    inputs, outputs = weight.shape
    one = np.zeros(1, dtype=np.int64)
    geometry = Geometry(
        in_channels=inputs,
        in_positions=1,
        out_channels=outputs,
        out_shape=(),
        kernel_count=1,
        groups=1,
        taps_in=one,
        taps_kernel=one,
        taps_out=one,
    )
    return Linear(geometry=geometry, weight=weight[:, None, :].copy())


def diagonal(scale: Floats, in_shape: tuple[int, ...]) -> Linear:
    """Return the map that scales each channel, scale of shape (channels,)."""
    count = prod(in_shape)
    every = np.arange(count)
    geometry = Geometry(
        in_channels=len(scale),
        in_positions=count,
        out_channels=len(scale),
        out_shape=in_shape,
        kernel_count=1,
        groups=len(scale),
        taps_in=every,
        taps_kernel=np.zeros_like(every),
        taps_out=every,
    )
    return Linear(geometry=geometry, weight=scale[:, None, None].copy())


def convolution(weight: Floats, in_shape: tuple[int, ...], *, frame: Frame, groups: int) -> Linear:
    """Return a convolution; weight of shape (out channels, in channels of the group, kernel sizes)."""
    kernel = weight.shape[2:]
    out_shape = frame.out_shape(in_shape, kernel)
    _check_taps(prod(kernel) * prod(out_shape))
    taps_in, taps_kernel, taps_out = _taps(in_shape, kernel, out_shape, frame)
    out_channels, width = weight.shape[:2]
    geometry = Geometry(
        in_channels=width * groups,
        in_positions=prod(in_shape),
        out_channels=out_channels,
        out_shape=out_shape,
        kernel_count=prod(kernel),
        groups=groups,
        taps_in=taps_in,
        taps_kernel=taps_kernel,
        taps_out=taps_out,
    )
    blank = Linear(geometry=geometry, weight=np.zeros((width * groups, prod(kernel), out_channels // groups)))
    return blank.with_rows(weight.reshape(out_channels, -1))


def pooling(channels: int, in_shape: tuple[int, ...], *, kernel: Sequence[int], frame: Frame) -> Linear:
    """Return the depthwise map that sums each window (weights are one)."""
    _check_taps(channels * prod(kernel))
    return convolution(np.ones((channels, 1, *kernel)), in_shape, frame=frame, groups=channels)


def mean_after(linear: Linear, pool: Geometry, window_count: int) -> Linear:
    """Return the map followed by a mean over windows; exact where all windows have ``window_count`` positions.

    A pair of positions that meets through several kernel entries keeps them as parallel connections.
    """
    geometry = linear.geometry
    order = np.argsort(pool.taps_in, kind="stable")
    first = np.searchsorted(pool.taps_in[order], geometry.taps_out, side="left")
    last = np.searchsorted(pool.taps_in[order], geometry.taps_out, side="right")
    _check_taps(int((last - first).sum()))
    rows = np.repeat(np.arange(len(first)), last - first)
    step = np.arange(len(rows)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
    joined = replace(
        geometry,
        out_shape=pool.out_shape,
        taps_in=geometry.taps_in[rows],
        taps_kernel=geometry.taps_kernel[rows],
        taps_out=pool.taps_out[order][first[rows] + step],
    )
    return Linear(geometry=joined, weight=linear.weight / window_count)


def apply(linear: Linear, x: Floats) -> Floats:
    """Return the map of x, shape (samples, in channels, in positions), as (samples, out channels, out positions)."""
    geometry = linear.geometry
    samples, groups = len(x), geometry.groups
    parted = x.reshape(samples, groups, geometry.in_channels // groups, geometry.in_positions)
    weight = linear.weight.reshape(groups, -1, geometry.kernel_count, linear.weight.shape[2])
    out = np.zeros((samples, groups, linear.weight.shape[2], geometry.out_positions))
    for entry in range(geometry.kernel_count):
        rows = geometry.taps_kernel == entry
        taken = parted[:, :, :, geometry.taps_in[rows]]
        part = np.matmul(weight[:, :, entry].transpose(0, 2, 1), taken)
        where = geometry.taps_out[rows]
        if len(np.unique(where)) == len(where):
            out[..., where] += part
        else:
            np.add.at(out, (..., where), part)  # type: ignore[arg-type]
    return out.reshape(samples, geometry.out_channels, geometry.out_positions)


def _check_taps(count: int) -> None:
    """Raise RefusedError where the connections between positions are too many to be listed."""
    if count > _MOST_TAPS:
        raise RefusedError(
            f"{count:,} pairs of a position and one that its window reaches, and the spiking form lists at most "
            f"{_MOST_TAPS:,} for a layer: use smaller windows, or smaller images"
        )


def _taps(
    in_shape: tuple[int, ...],
    kernel: tuple[int, ...],
    out_shape: tuple[int, ...],
    frame: Frame,
) -> _Pairs:
    """Return all (input, kernel entry, output) position triples inside the borders, sorted by input position."""
    found: _Pairs = tuple(np.zeros(1, dtype=np.int64) for _ in range(3))  # type: ignore[assignment]
    axes = zip(in_shape, kernel, out_shape, frame.strides, frame.pads, frame.dilations, strict=True)
    for size, taps, outs, stride, (begin, _), dilation in axes:
        out, tap = np.meshgrid(np.arange(outs), np.arange(taps), indexing="ij")
        place = out * stride + tap * dilation - begin
        inside = (place >= 0) & (place < size)
        axis = (place[inside], tap[inside], out[inside])
        found = tuple(
            (old[:, None] * length + new[None, :]).ravel()
            for old, new, length in zip(found, axis, (size, taps, outs), strict=True)
        )
    order = np.lexsort((found[2], found[1], found[0]))
    return found[0][order], found[1][order], found[2][order]
