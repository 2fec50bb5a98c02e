"""Packing: the tables that kernels run on, from the layers of a SpikingNetwork."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.lowering import Frame, convolution
from twentywatts.forms.spiking.events import Layout
from twentywatts.forms.spiking.kernel_dense import NARROW, WIDE_INT8, WIDE_SINGLE, DenseRows
from twentywatts.forms.spiking.kernel_scatter import Wiring
from twentywatts.network_spiking import Conv, Dense, OneToOne, Pool, Projection, Synapses

__all__ = ["Packed", "dense_rows", "pack"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packed:
    """One projection, ready to run.

    fan_out: (lanes of the source, 2), synapses of weight not zero, and zero, that an event meets. sums: (lanes of the
    target,), sum of the magnitudes of a neuron's weights. synapse_count: connections whose weight is not zero.
    """

    source: str
    wiring: Wiring
    fan_out: NDArray[np.int64]
    sums: NDArray[np.float64]
    synapse_count: int
    small: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    """Weights by row: weight and real (rows, lanes), where a synapse is; taps and row numbers as in Wiring."""

    weight: Array
    real: NDArray[np.bool_]
    taps: tuple[Array, Array, Array]
    row: Array
    lane: Array
    stride: int


def pack(projection: Projection, source: Layout, target: Layout, *, kind: type) -> Packed:
    """Return a projection's tables; kind: np.int8 or np.float32, which the weights of pools take too."""
    rows = _rows(projection.synapses, source, target, kind)
    units = rows.weight.shape[1] // 8
    words, room = -(-units // 8), -(-target.width // 64)
    used = (rows.weight != 0) & rows.real
    marks = np.zeros((len(used), 8 * words), np.uint8)
    marks[:, :units] = np.packbits(used.reshape(len(used), units, 8), axis=2, bitorder="little")[..., 0]
    together = bool(np.all(rows.lane == 0)) and 8 * units == target.width
    complete = together and bool(np.all(used[:, : target.shape[0]]))
    wiring = Wiring(
        first=np.searchsorted(rows.taps[0], np.arange(source.positions + 1)).astype(np.int32),
        entry=rows.taps[1].astype(np.int32),
        target=rows.taps[2].astype(np.int32),
        row=rows.row.astype(np.int64),
        lane=rows.lane.astype(np.int64),
        weight=np.ascontiguousarray(rows.weight).ravel(),
        marks=marks.ravel(),
        together=together,
        full=complete,
        sizes=(source.width, words, units, target.width, rows.stride, room),
    )
    fan_out, sums = _fans(rows, used, source, target)
    least = np.int16 if sums.max(initial=0.0) < 2**15 else np.int32
    return Packed(
        source=projection.source,
        wiring=wiring,
        fan_out=fan_out,
        sums=sums,
        synapse_count=int(fan_out[:, 0].sum()),
        small=np.zeros(0, least if kind is np.int8 else np.float32),
    )


def _fans(rows: _Rows, used: Array, source: Layout, target: Layout) -> tuple[Array, Array]:
    """Return synapses by source lane, and sums of weights by target lane."""
    useful, every = used.sum(axis=1), rows.real.sum(axis=1)
    fan_out = np.zeros((source.lanes, 2), np.int64)
    sums = np.zeros(target.lanes + rows.weight.shape[1])
    position, entry, cell = rows.taps
    lanes = np.arange(rows.weight.shape[1])
    for channel in range(source.shape[0]):
        row = rows.row[channel] + position * rows.stride + entry
        lane = position * source.width + channel
        np.add.at(fan_out, lane, np.stack([useful[row], every[row] - useful[row]], axis=1))
        into = (cell * target.width + rows.lane[channel])[:, None] + lanes
        sums += np.bincount(
            into.ravel(), weights=np.abs(rows.weight[row], dtype=np.float64).ravel(), minlength=len(sums)
        )
    return fan_out, sums[: target.lanes]


def _rows(synapses: Synapses, source: Layout, target: Layout, kind: type) -> _Rows:
    if isinstance(synapses, Dense):
        return _dense(synapses, source, target)
    if isinstance(synapses, OneToOne):
        return _one_to_one(synapses, source)
    return _windows(synapses, source, target, kind)


def _dense(synapses: Dense, source: Layout, target: Layout) -> _Rows:
    """Return a row for each neuron of the source and each cell."""
    inputs, cells = prod(source.shape), target.positions
    weight = np.zeros((inputs, cells, target.width), synapses.weight.dtype)
    parted = synapses.weight.T.reshape(inputs, target.shape[0], cells)
    weight[:, :, : target.shape[0]] = parted.swapaxes(1, 2)
    real = np.zeros((inputs * cells, target.width), np.bool_)
    real[:, : target.shape[0]] = True
    position, cell = np.divmod(np.arange(source.positions * cells), cells)
    return _Rows(
        weight=weight.reshape(inputs * cells, target.width),
        real=real,
        taps=(position, cell, cell),
        row=_by_channel(source, source.positions * cells),
        lane=np.zeros(source.width, np.int64),
        stride=cells,
    )


def _one_to_one(synapses: OneToOne, source: Layout) -> _Rows:
    """Return a row of 8 lanes for each neuron."""
    weight = np.broadcast_to(synapses.weight, source.shape).reshape(source.shape[0], -1)
    rows = np.zeros((source.shape[0], source.positions, 8), weight.dtype)
    channel = np.arange(source.shape[0])
    rows[channel, :, channel % 8] = weight
    real = np.zeros(rows.shape, np.bool_)
    real[channel, :, channel % 8] = True
    position = np.arange(source.positions)
    return _Rows(
        weight=rows.reshape(-1, 8),
        real=real.reshape(-1, 8),
        taps=(position, np.zeros_like(position), position),
        row=_by_channel(source, source.positions),
        lane=_by_channel(source, 1) // 8 * 8,
        stride=1,
    )


def _windows(synapses: Conv | Pool, source: Layout, target: Layout, kind: type) -> _Rows:
    """Return a row for each channel and kernel entry, of the channels of its group."""
    if isinstance(synapses, Conv):
        weight, groups = synapses.weight, synapses.groups
    else:
        share = 1.0 / prod(synapses.kernel) if synapses.mean and kind is np.float32 else 1.0
        weight, groups = np.full((source.shape[0], 1, *synapses.kernel), share, kind), source.shape[0]
    strides, pads, dilations = synapses.window()
    frame = Frame(strides=strides, pads=pads, dilations=dilations)
    linear = convolution(np.asarray(weight, np.float64), source.shape[1:], frame=frame, groups=groups)
    geometry, (channels, entries, width) = linear.geometry, linear.weight.shape
    begin = np.arange(channels) // (channels // groups) * width
    lane = begin // 8 * 8
    units = int(-(-(begin - lane + width).max() // 8))
    rows = np.zeros((channels, entries, 8 * units), weight.dtype)
    real = np.zeros(rows.shape, np.bool_)
    for channel in range(channels):
        part = slice(begin[channel] - lane[channel], begin[channel] - lane[channel] + width)
        rows[channel, :, part], real[channel, :, part] = linear.weight[channel], True
    lanes = np.zeros(source.width, np.int64)
    lanes[:channels] = lane
    return _Rows(
        weight=rows.reshape(-1, 8 * units),
        real=real.reshape(-1, 8 * units),
        taps=(geometry.taps_in, geometry.taps_kernel, geometry.taps_out),
        row=_by_channel(source, entries),
        lane=lanes,
        stride=0,
    )


def _by_channel(source: Layout, rows: int) -> Array:
    """Return the first row of each channel; padded channels send no events."""
    channels = np.arange(source.width)
    return np.where(channels < source.shape[0], channels, 0) * rows


def dense_rows(synapses: Dense, source: Layout, target: Layout) -> DenseRows:
    """Return the weights in blocks of neurons, for a target in a row.

    int8 blocks of 128 are words of two bytes: the low byte is the weight of neuron k plus 128, the high byte that of
    neuron 64 + k, so that sums of words hold both sums; 16 neurons lie woven, 0 8 1 9 … 7 15. Other blocks are rows as
    they are.
    """
    weight = np.zeros((source.lanes, target.lanes), synapses.weight.dtype)
    weight[np.ix_(source.places(), target.places())] = synapses.weight.T
    used = np.packbits(weight != 0, axis=1, bitorder="little").view(np.uint32)
    whole = np.int8 == weight.dtype
    if whole:
        weight = weight.reshape(source.lanes, -1, 2, 8).swapaxes(2, 3).reshape(weight.shape)
    wide, parts, start = (WIDE_INT8 if whole else WIDE_SINGLE), [], 0
    while start < target.lanes:
        width = wide if target.lanes - start >= wide else NARROW
        block = weight[:, start : start + width]
        if whole and width == WIDE_INT8:
            low = (block[:, :64].astype(np.int16) + 128).astype(np.uint8).view(np.int8)
            block = np.stack([low, block[:, 64:]], axis=2)
        parts.append(np.ascontiguousarray(block).ravel())
        start += width
    real = np.zeros(target.lanes, np.bool_)
    real[target.places()] = True
    return DenseRows(
        weight=np.concatenate(parts),
        marks=np.ascontiguousarray(used),
        real=np.packbits(real, bitorder="little").view(np.uint32),
        inputs=source.lanes,
        neurons=prod(target.shape),
    )
