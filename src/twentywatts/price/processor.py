"""The price of arithmetic on a processor: roofline time, static power over it, energy per operation and per byte.

For each layer  t = max(operations / (η_c peak), bytes / (η_m bandwidth)) + kernels × launch; a batch adds one call of
the runtime. E = MAC × e_mac + bytes × e_byte + P_base × t,  with P_base = idle + base_share × (max − idle). Energy per
MAC is the published one, or compute_share × (max − idle) / (peak / 2). A chip that would exceed its power limit slows
down. docs/method/processor.md has the range and the known error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twentywatts.ledger import Cause
from twentywatts.machines import Machine
from twentywatts.price.costs import Costs, Values
from twentywatts.scenario import Boundary, Scenario
from twentywatts.uncertain import Array
from twentywatts.workload import ProcessorWorkload

__all__ = ["costs"]

_PEAKS = {
    "fp32": ("peak_fp32_flop_per_s",),
    "fp16": ("peak_fp16_flop_per_s", "peak_fp32_flop_per_s"),
    "int8": ("peak_int8_op_per_s", "peak_fp16_flop_per_s", "peak_fp32_flop_per_s"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Traffic:
    """Bytes per layer that reach the off-chip memory and the on-chip cache, shape (..., layers)."""

    memory: Array
    cache: Array


def costs(workload: ProcessorWorkload, machine: Machine, values: Values, scenario: Scenario) -> Costs:
    """Return joules per inference by layer and cause, and the seconds of one batch.

    ``workload`` arrays have shape (..., layers) and count one batch; ``values`` come from ``values_of``.
    """
    workload = _with_call(workload)
    traffic = _traffic(workload, machine)
    peak_key = next(key for key in _PEAKS[workload.precision] if key in machine.figures)
    compute_s, memory_s, launch_s = _times(workload, traffic, values, peak_key)
    mac_j, mac_keys = _mac_energy(workload.precision, peak_key, machine, values)
    op_j, _ = _mac_energy("fp32", "peak_fp32_flop_per_s", machine, values)
    compute_j = workload.mac_count[..., None] * mac_j + workload.op_count[..., None] * op_j / 2
    memory_j = traffic.memory[..., None] * values["memory_energy_j_per_byte"]
    if "cache_energy_j_per_byte" in values:
        memory_j = memory_j + traffic.cache[..., None] * values["cache_energy_j_per_byte"]
    base_w = _base_power(values)
    busy_s = np.maximum(compute_s, memory_s) + launch_s
    busy_s = np.maximum(busy_s, (compute_j + memory_j) / (values["max_power_w"] - base_w))
    share = 1.0 / workload.batch
    powers = ("idle_power_w", "max_power_w")
    return Costs(
        parts=workload.layers,
        energy_j={
            Cause.COMPUTE: compute_j * share,
            Cause.MEMORY: memory_j * share,
            Cause.STATIC: busy_s * base_w * share,
        },
        used={
            Cause.COMPUTE: mac_keys,
            Cause.MEMORY: ("memory_energy_j_per_byte", "cache_energy_j_per_byte"),
            Cause.STATIC: (*powers, peak_key, "memory_bandwidth_bytes_per_s", "launch_time_s", "call_time_s"),
        },
        latency_s=busy_s.sum(axis=-2),
        idle_power_w=values["idle_power_w"],
        bound=_bound(compute_s, memory_s, launch_s),
        scopes={Cause.MEMORY: Boundary.DEVICE},
        notes=_notes(workload, peak_key),
        not_covered=tuple(f"layer '{name}' is not understood and not priced" for name in workload.unknown),
    )


def _with_call(workload: ProcessorWorkload) -> ProcessorWorkload:
    """Return the workload with a last part that does no work: the call into the runtime, once per batch."""
    return replace(
        workload,
        layers=(*workload.layers, "call"),
        mac_count=_padded(workload.mac_count),
        op_count=_padded(workload.op_count),
        weight_bytes=_padded(workload.weight_bytes),
        input_bytes=_padded(workload.input_bytes),
        output_bytes=_padded(workload.output_bytes),
        kernel_count=_padded(workload.kernel_count),
    )


def _padded(array: Array) -> Array:
    wide = np.zeros((*array.shape[:-1], array.shape[-1] + 1))
    wide[..., :-1] = array
    return wide


def _traffic(workload: ProcessorWorkload, machine: Machine) -> _Traffic:
    """Return bytes by memory level: what fits in the last-level cache stays there between batches."""
    activation = workload.input_bytes + workload.output_bytes
    capacity = machine.value("cache_capacity_bytes", 0.0) or 0.0
    resident = workload.weight_bytes.sum(axis=-1, keepdims=True) + activation.max(axis=-1, keepdims=True) <= capacity
    memory = workload.weight_bytes * ~resident
    spills = activation > capacity
    memory += activation * spills
    memory[..., 0] += workload.input_bytes[..., 0] * ~spills[..., 0]
    last = -2 if memory.shape[-1] > 1 else -1  # the call comes after the last layer
    memory[..., last] += workload.output_bytes[..., last] * ~spills[..., last]
    activation += workload.weight_bytes
    return _Traffic(memory=memory, cache=activation)


def _times(workload: ProcessorWorkload, traffic: _Traffic, values: Values, peak_key: str) -> tuple[Array, Array, Array]:
    """Return compute, memory and launch seconds, each of shape (..., layers, 1 + draws)."""
    efficiency = values["compute_efficiency_frac"]
    compute = 2.0 * workload.mac_count[..., None] / (efficiency * values[peak_key])
    compute = compute + workload.op_count[..., None] / (efficiency * values["peak_fp32_flop_per_s"])
    bandwidth = values["bandwidth_efficiency_frac"] * values["memory_bandwidth_bytes_per_s"]
    memory = traffic.memory[..., None] / bandwidth
    launch = workload.kernel_count[..., None] * values["launch_time_s"]
    if "call_time_s" in values:
        launch[..., -1, :] += values["call_time_s"]
    return compute, memory, launch


def _mac_energy(precision: str, peak_key: str, machine: Machine, values: Values) -> tuple[Array, tuple[str, ...]]:
    """Return joules per multiply-accumulate and the figures it rests on."""
    key = f"mac_{precision}_energy_j"
    if key in machine.figures:
        return values[key], (key,)
    swing = values["max_power_w"] - values["idle_power_w"]
    swing = np.maximum(swing, 0.1 * values["max_power_w"])
    energy = values["compute_power_frac"] * swing / (values[peak_key] / 2.0)
    return energy, ("max_power_w", "idle_power_w", peak_key)


def _base_power(values: Values) -> Array:
    """Return the power while running but for arithmetic and traffic [W]; at most 95 % of the limit."""
    swing = values["max_power_w"] - values["idle_power_w"]
    base = values["idle_power_w"] + values["active_base_frac"] * np.maximum(swing, 0.0)
    return np.minimum(base, 0.95 * values["max_power_w"])


def _bound(compute: Array, memory: Array, launch: Array) -> str:
    """Return which term holds most of the time at mid values; nothing where many settings are priced at once."""
    if compute.ndim > 2:
        return ""
    is_compute = compute[:, 0] >= memory[:, 0]
    totals = {
        "compute": float(compute[is_compute, 0].sum()),
        "memory": float(memory[~is_compute, 0].sum()),
        "launch": float(launch[:, 0].sum()),
    }
    return max(totals, key=lambda name: totals[name])


def _notes(workload: ProcessorWorkload, peak_key: str) -> tuple[str, ...]:
    if peak_key == _PEAKS[workload.precision][0]:
        return ()
    return (f"no published {workload.precision} rate: arithmetic is timed at {peak_key.split('_')[1]}",)
