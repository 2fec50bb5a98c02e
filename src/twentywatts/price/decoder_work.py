"""A pass of tokens as a chip sees it: seconds at its full rates, bytes, operations; nothing fitted is in here.

A ``Rates`` record holds what a chip publishes. ``pass_work`` divides the counts of one phase by it. Every array has the
shape of the workload, so that any number of uses is priced at once.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from twentywatts.errors import RefusedError
from twentywatts.machines import Machine
from twentywatts.uncertain import Array
from twentywatts.workload_decoder import DecoderPhase, DecoderWorkload

__all__ = ["PassWork", "Rates", "is_padded", "pass_work", "rates_of"]

_FULL_BITS = 16.0
_NARROW_BITS = 8
_LEAST = 1e-12
_PEAKS = {
    4: ("peak_fp4_flop_per_s", "peak_fp8_flop_per_s", "peak_fp16_flop_per_s", "peak_fp32_flop_per_s"),
    8: ("peak_fp8_flop_per_s", "peak_fp16_flop_per_s", "peak_fp32_flop_per_s"),
    16: ("peak_fp16_flop_per_s", "peak_fp32_flop_per_s"),
    32: ("peak_fp32_flop_per_s",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a chip publishes, at mid values.

    bandwidth_bytes_per_s, link_bytes_per_s: of its memory, and of its links to other chips, both directions together.
    peak_flop_per_s: by bits of the operands. peak_keys: the figures that those are. power_w: its limit.
    capacity_bytes: of its memory. idle_power_w: powered, no work. chip_family: whose kernels it runs.
    """

    bandwidth_bytes_per_s: float
    link_bytes_per_s: float
    peak_flop_per_s: dict[int, float]
    peak_keys: dict[int, str]
    power_w: float
    idle_power_w: float
    capacity_bytes: float
    chip_family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PassWork:
    """One phase on one kind of chip.

    dense_s, expert_s, cache_s: to read weights outside and inside experts, and the cache, over all chips at full
    bandwidth. dense_flop_s, expert_flop_s: to multiply, over all chips at their peak for the operands; attention counts
    as dense, at 16 bits. moved_bytes: without experts; expert_bytes: as counted. flop_count: in operations of 16 bits
    (an operation of 8 bits counts half). touched_frac: of a layer's experts. heads_ratio: queries that share a key.
    layer_count, expert_layer_count, round_count: as counted. link_s: to send, at the links' rate. link_bytes: sent.
    is_narrow: 1 where experts multiply in 8 bits in the common kernel, else 0. padded_s, padded_flop_count: to multiply
    the rows that fill the tiles of such experts, over all chips at their peak, and those operations, in 16 bits.
    """

    dense_s: Array
    expert_s: Array
    cache_s: Array
    dense_flop_s: Array
    expert_flop_s: Array
    moved_bytes: Array
    expert_bytes: Array
    flop_count: Array
    touched_frac: Array
    heads_ratio: Array
    layer_count: float | Array
    expert_layer_count: float | Array
    round_count: float | Array
    link_s: Array
    link_bytes: Array
    is_narrow: float | Array
    padded_s: Array
    padded_flop_count: Array


def rates_of(machine: Machine) -> Rates:
    """Return what a chip publishes; raises RefusedError where a model cannot be priced with it.

    A precision without a published peak runs at that of the next wider one. Without published links, chips talk over
    the host's bus, at a rate that the figure ``host_link_bandwidth_bytes_per_s`` of data/boundaries.toml guesses.
    """
    from twentywatts.figures import load_figures

    if machine.refused:
        raise RefusedError(machine.refused)
    if machine.family != "processor":
        raise RefusedError(f"'{machine.name}' is no processor: nobody published how it would run such a model")
    figures = machine.figures
    keys = {bits: next(key for key in names if key in figures) for bits, names in _PEAKS.items()}
    link = figures.get("link_bandwidth_bytes_per_s")
    if link is None:
        link = load_figures("boundaries")["host_link_bandwidth_bytes_per_s"]
    return Rates(
        bandwidth_bytes_per_s=figures["memory_bandwidth_bytes_per_s"].value,
        link_bytes_per_s=link.value,
        peak_flop_per_s={bits: figures[key].value for bits, key in keys.items()},
        peak_keys=keys,
        power_w=figures["max_power_w"].value,
        idle_power_w=figures["idle_power_w"].value,
        capacity_bytes=figures["memory_capacity_bytes"].value,
        chip_family=str(machine.traits.get("chip_family", "")),
    )


@cache
def _own_kernels() -> tuple[frozenset[str], frozenset[str]]:
    """Return the families of models and of chips whose 8-bit experts have a kernel that pads nothing."""
    path = files("twentywatts") / "data" / "expert_kernels.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))["own_kernel"]
    return frozenset(table["model_types"]), frozenset(table["chip_families"])


def is_padded(workload: DecoderWorkload, rates: Rates) -> bool:
    """Return whether experts go through the common kernel of 8-bit operands, which fills tiles of rows.

    A chip without arithmetic in 8 bits multiplies 8-bit weights at 16, in another kernel.
    """
    models, chips = _own_kernels()
    own = workload.model_type in models and rates.chip_family in chips
    return workload.expert_operand_bits == _NARROW_BITS and rates.peak_keys[8] == _PEAKS[8][0] and not own


@cache
def _tile_rows() -> float:
    from twentywatts.figures import load_figures

    return load_figures("expert_kernels")["expert_tile_count"].value


def _padded_flop_count(phase: DecoderPhase, workload: DecoderWorkload) -> Array:
    """Return operations on rows that fill tiles: one tile less a row for each expert, touched or not."""
    rows = _tile_rows() - 1.0
    weights = phase.experts.weight_bytes * 8.0 / workload.expert_bits / np.maximum(phase.touched_frac, _LEAST)
    return np.asarray(2.0 * rows * weights)


def pass_work(phase: DecoderPhase, workload: DecoderWorkload, rates: Rates) -> PassWork:
    """Return one phase of a workload as seconds at full rates, bytes and operations."""
    chips = float(workload.parallelism.chip_count)
    bandwidth = rates.bandwidth_bytes_per_s * chips
    dense = phase.linear.weight_bytes + phase.other.weight_bytes
    cache = phase.cache_read_bytes + phase.cache_write_bytes
    linear_peak = rates.peak_flop_per_s[workload.linear_operand_bits] * chips
    expert_peak = rates.peak_flop_per_s[workload.expert_operand_bits] * chips
    wide_peak = rates.peak_flop_per_s[16] * chips
    wide = 2.0 * (phase.other.mac_count + phase.attention_mac_count)
    linear, experts = 2.0 * phase.linear.mac_count, 2.0 * phase.experts.mac_count
    narrow = workload.linear_operand_bits / _FULL_BITS
    narrow_experts = workload.expert_operand_bits / _FULL_BITS
    padded = _padded_flop_count(phase, workload) * is_padded(workload, rates)
    values = np.maximum(phase.cache_read_bytes * 8.0 / workload.cache_bits, 1.0)
    return PassWork(
        dense_s=dense / bandwidth,
        expert_s=phase.experts.weight_bytes / bandwidth,
        cache_s=cache / bandwidth,
        dense_flop_s=linear / linear_peak + wide / wide_peak,
        expert_flop_s=experts / expert_peak,
        moved_bytes=dense + cache,
        expert_bytes=phase.experts.weight_bytes,
        flop_count=linear * min(narrow, 1.0) + experts * min(narrow_experts, 1.0) + wide,
        touched_frac=phase.touched_frac,
        heads_ratio=np.maximum(phase.attention_mac_count / values, 1.0),
        layer_count=phase.layer_count,
        expert_layer_count=phase.expert_layer_count,
        round_count=phase.collective_count,
        link_s=phase.collective_bytes / (chips * rates.link_bytes_per_s),
        link_bytes=phase.collective_bytes,
        is_narrow=1.0 if is_padded(workload, rates) else 0.0,
        padded_s=padded / expert_peak,
        padded_flop_count=padded * min(narrow_experts, 1.0),
    )
