"""The price of arithmetic on a processor: roofline time, static power over it, energy per operation and per byte.

For each layer  t = max(operations / (η_c peak), bytes / (η_m bandwidth)) + kernels × launch; a batch adds one call of
the runtime. E = MAC × e_mac + bytes × e_byte + P_base × t,  with P_base = idle + base_share × (max − idle). Energy per
MAC is the published one, or compute_share × (max − idle) / (peak / 2). A chip that would exceed its power limit slows
down. docs/method/processor.md has the range and the known error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from twentywatts.ledger import Cause
from twentywatts.machines import Machine
from twentywatts.price.costs import Costs, Portion, Values, sum_by_cause, used_by_cause
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Times:
    """Seconds of each layer, shape (..., layers, 1 + draws): arithmetic, traffic, kernel launches, the one call."""

    compute: Array
    memory: Array
    kernels: Array
    call: Array

    @property
    def launch(self) -> Array:
        """Seconds in which nothing of the model's work is done."""
        return self.kernels + self.call


def costs(workload: ProcessorWorkload, machine: Machine, values: Values, scenario: Scenario) -> Costs:
    """Return joules per inference by layer and cause, and the seconds of one batch.

    ``workload`` arrays have shape (..., layers) and count one batch; ``values`` come from ``values_of``.
    """
    workload = _with_call(workload)
    traffic = _traffic(workload, machine)
    peak_key = next(key for key in _PEAKS[workload.precision] if key in machine.figures)
    times = _times(workload, traffic, values, peak_key)
    dynamic = _dynamic(workload, traffic, machine, values, peak_key)
    base_w = _base_power(values)
    share = 1.0 / workload.batch
    busy_s = np.maximum(times.compute, times.memory) + times.launch
    dynamic_j = np.asarray(sum(portion.energy_j for portion in dynamic))
    limited_s = np.maximum(dynamic_j / (values["max_power_w"] - base_w) - busy_s, 0.0)
    waits = [(seconds * base_w, keys) for seconds, keys in _waits(times, limited_s, peak_key)]
    portions = [replace(portion, energy_j=portion.energy_j * share) for portion in dynamic]
    portions += [
        Portion(cause=Cause.STATIC, energy_j=joules * share, used=("idle_power_w", "max_power_w", *keys))
        for joules, keys in waits
    ]
    return Costs(
        parts=workload.layers,
        energy_j=sum_by_cause(portions),
        used=used_by_cause(portions),
        latency_s=(busy_s + limited_s).sum(axis=-2),
        idle_power_w=values["idle_power_w"],
        bound=_bound(times),
        portions=tuple(portions),
        notes=_notes(workload, peak_key),
        not_covered=tuple(f"layer '{name}' is not understood and not priced" for name in workload.unknown),
    )


def _dynamic(
    workload: ProcessorWorkload, traffic: _Traffic, machine: Machine, values: Values, peak_key: str
) -> list[Portion]:
    """Return the joules of one batch for arithmetic and traffic."""
    mac_j, mac_keys = _mac_energy(workload.precision, peak_key, machine, values)
    op_j, op_keys = _mac_energy("fp32", "peak_fp32_flop_per_s", machine, values)
    macs, ops = workload.mac_count[..., None] * mac_j, workload.op_count[..., None] * op_j / 2
    found = [
        Portion(cause=Cause.COMPUTE, energy_j=macs, used=mac_keys),
        Portion(cause=Cause.COMPUTE, energy_j=ops, used=op_keys),
    ]
    levels = (
        (traffic.memory, "memory_energy_j_per_byte", Boundary.DEVICE),
        (traffic.cache, "cache_energy_j_per_byte", Boundary.CHIP),
    )
    for bytes_moved, key, scope in levels:
        if key in values:
            energy_j = bytes_moved[..., None] * values[key]
            found.append(Portion(cause=Cause.MEMORY, energy_j=energy_j, used=(key,), scope=scope))
    return found


def _waits(times: _Times, limited_s: Array, peak_key: str) -> Iterator[tuple[Array, tuple[str, ...]]]:
    """Yield the seconds of each layer by what holds them at mid values, and the figures that those rest on."""
    is_compute = times.compute[..., :1] >= times.memory[..., :1]
    roofline_s = np.maximum(times.compute, times.memory)
    yield roofline_s * is_compute, (peak_key, "peak_fp32_flop_per_s")
    yield roofline_s * ~is_compute, ("memory_bandwidth_bytes_per_s",)
    yield times.kernels, ("launch_time_s",)
    yield times.call, ("call_time_s",)
    if limited_s.any():
        yield limited_s, (peak_key, "memory_energy_j_per_byte")


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


def _times(workload: ProcessorWorkload, traffic: _Traffic, values: Values, peak_key: str) -> _Times:
    """Return the seconds of each layer; the call into the runtime is the last of them."""
    efficiency = values["compute_efficiency_frac"]
    compute = 2.0 * workload.mac_count[..., None] / (efficiency * values[peak_key])
    compute = compute + workload.op_count[..., None] / (efficiency * values["peak_fp32_flop_per_s"])
    bandwidth = values["bandwidth_efficiency_frac"] * values["memory_bandwidth_bytes_per_s"]
    memory = traffic.memory[..., None] / bandwidth
    kernels = workload.kernel_count[..., None] * values["launch_time_s"]
    call = np.zeros_like(kernels)
    if "call_time_s" in values:
        call[..., -1, :] = values["call_time_s"]
    return _Times(compute=compute, memory=memory, kernels=kernels, call=call)


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


def _bound(times: _Times) -> str:
    """Return which term holds most of the time at mid values; nothing where many settings are priced at once."""
    if times.compute.ndim > 2:
        return ""
    is_compute = times.compute[:, 0] >= times.memory[:, 0]
    totals = {
        "compute": float(times.compute[is_compute, 0].sum()),
        "memory": float(times.memory[~is_compute, 0].sum()),
        "launch": float(times.launch[:, 0].sum()),
    }
    return max(totals, key=lambda name: totals[name])


def _notes(workload: ProcessorWorkload, peak_key: str) -> tuple[str, ...]:
    if peak_key == _PEAKS[workload.precision][0]:
        return ()
    return (f"no published {workload.precision} rate: arithmetic is timed at {peak_key.split('_')[1]}",)
