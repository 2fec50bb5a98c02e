"""Workloads: what was done, never what it costs. One record per machine family, holding what its pricer needs.

Arrays are per layer, shape (layers,), and count **one inference** (the mean over the samples that were run) unless a
field says otherwise. A pricer also takes leading axes, shape (settings, layers), to price many settings at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, log2
from typing import TYPE_CHECKING

from twentywatts.errors import DataError

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["BrainWorkload", "CrossbarWorkload", "ProcessorWorkload", "SpikingWorkload", "Workload", "twin_bits"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProcessorWorkload:
    """Arithmetic and traffic of one batch on a processor; arrays of shape (layers,) **per batch**.

    mac_count: multiply-accumulates. op_count: other arithmetic operations. weight_bytes: stored weights read once
    per batch at the precision they have in this form. input_bytes, output_bytes: activations read and written.
    kernel_count: operators dispatched (0 where a layer is fused into its neighbour).
    precision: of the multiply-accumulates, one of fp32, fp16, int8. unknown: layers that could not be counted.
    """

    layers: tuple[str, ...]
    mac_count: Array
    op_count: Array
    weight_bytes: Array
    input_bytes: Array
    output_bytes: Array
    kernel_count: Array
    precision: str = "fp32"
    batch: int = 1
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpikingWorkload:
    """Events of one inference of a spiking network; layers are groups of neurons (the input is not one of them).

    neuron_count, fan_in_count: neurons, and synapses into one neuron. weight_count: distinct stored weights.
    synapse_count: connections if each had its own synapse. shared_weights: one flag per layer, True for convolutions.
    Arrays of shape (layers, timesteps): synaptic_events (one spike arriving at one synapse, weight not zero),
    updates (neurons integrated or touched in this step), spikes (out of this layer), spikes_in (arriving at it).
    graded_bits: 1 for binary spikes, else bits of payload. mac_count: (layers,) multiply-accumulates of layers that
    take analog input (direct coding) **per inference**, counted once where the input is static and cached.
    op_count: digital operations outside neurons (a readout's final division, average pooling).
    depth_count: layers on the longest way from input to output where branches stand side by side; None: all in a row.
    """

    layers: tuple[str, ...]
    timesteps: int
    neuron_count: Array
    fan_in_count: Array
    weight_count: Array
    synapse_count: Array
    shared_weights: tuple[bool, ...]
    synaptic_events: Array
    updates: Array
    spikes: Array
    spikes_in: Array
    mac_count: Array
    op_count: Array
    weight_bits: int = 8
    graded_bits: int = 1
    depth_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossbarWorkload:
    """Matrix-vector products of one inference on in-memory arrays; arrays of shape (layers,).

    row_count: inputs of one product (channels × kernel of one group). column_count: its outputs, before slicing and
    pairs. group_count: independent products (grouped convolution). vector_count: products per inference (positions).
    active_frac: mean share of input bits that are one (data dependence of row drivers and cells).
    input_bits, weight_bits: of the operands. dac_bits: input bits applied per phase. cell_bits: weight bits per cell.
    adc_bits: resolution of a conversion, 0 for a digital array. signed_inputs: inputs need two passes.
    op_count: digital operations outside the arrays (activation functions, pooling, residual adds).
    output_bytes: activations written, per layer.
    """

    layers: tuple[str, ...]
    row_count: Array
    column_count: Array
    group_count: Array
    vector_count: Array
    active_frac: Array
    op_count: Array
    output_bytes: Array
    input_bits: int
    weight_bits: int
    dac_bits: int
    cell_bits: int
    adc_bits: int
    signed_inputs: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BrainWorkload:
    """The yardstick: a brain that runs for as long as the reference takes [s]."""

    time_s: float
    layers: tuple[str, ...] = ("brain",)
    counts: Mapping[str, float] = field(default_factory=dict)


Workload = ProcessorWorkload | SpikingWorkload | CrossbarWorkload | BrainWorkload


def twin_bits(timesteps: int) -> int:
    """Return the bits of an activation that says as much as ``timesteps`` binary spikes: ⌈log2(T + 1)⌉.

    Raises DataError below one step. Source: Yan et al. 2024 (arXiv 2409.08290).
    """
    if timesteps < 1:
        raise DataError(f"timesteps must be at least 1, got {timesteps}")
    return ceil(log2(timesteps + 1))
