"""Time and energy of one pass of a language model: the equation of docs/method/decoder.md, and nothing else.

time = overlap(bytes / bandwidth, operations / peak) + padding / peak + layers × launch + rounds × latency
       + sent / links + host
energy = static power × time + waiting power × host time + bytes × e_byte + operations × e_op + sent × e_link,
softly held below the power limit: E = (E⁻⁴ + (P t)⁻⁴)^(−1/4).

Constants may be numbers or arrays that broadcast with the work, so that a fit prices rows of several chips at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twentywatts.price.decoder_work import PassWork
from twentywatts.uncertain import Array

__all__ = ["NAMES", "Setting", "Step", "held_frac", "step"]

NAMES = (
    "weight_bandwidth_frac expert_bandwidth_frac narrow_expert_frac cache_bandwidth_frac shared_heads_exponent "
    "decode_compute_frac prefill_compute_frac expert_prefill_frac narrow_prefill_frac data_parallel_prefill_frac "
    "overlap_exponent distinct_frac layer_time_s expert_layer_time_s narrow_layer_time_s padded_expert_frac "
    "round_time_s expert_round_time_s link_frac host_step_time_s host_sequence_time_s host_request_time_s "
    "static_power_frac waiting_power_frac memory_energy_j_per_byte compute_energy_j link_energy_j_per_byte"
).split()
_SHARPNESS = 4.0  # of the soft limit; chosen, not fitted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """Where a pass runs: chips of the replica, their power limit each [W], groups of data parallelism, sequences.

    contention: by how much the host is slower than on a server of its own (1: not).
    """

    chip_count: float | Array
    power_w: float | Array
    groups: float | Array
    batch: float | Array
    contention: float | Array = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """Seconds and joules of one pass of the whole batch over all chips; the joules are already held by the limit.

    busy_s: chips work. waiting_s: chips wait for the host. static_j, waiting_j, memory_j, compute_j, link_j: by cause.
    memory_s, compute_s, launch_s, padded_s: what makes up the busy time, before overlap; padded: rows that fill tiles.
    """

    busy_s: Array
    waiting_s: Array
    memory_s: Array
    compute_s: Array
    launch_s: Array
    padded_s: Array
    static_j: Array
    waiting_j: Array
    memory_j: Array
    compute_j: Array
    link_j: Array

    @property
    def time_s(self) -> Array:
        """Seconds of the pass."""
        return self.busy_s + self.waiting_s

    @property
    def energy_j(self) -> Array:
        """Joules of the pass, all chips."""
        return self.static_j + self.waiting_j + self.memory_j + self.compute_j + self.link_j


def step(work: PassWork, setting: Setting, k: Mapping[str, float | Array], *, prefill: bool) -> Step:
    """Return what one pass takes. ``k``: the constants by the names in NAMES.

    In a decode step fewer experts are touched than independent choices would touch: 1 − (1 − touched)^distinct. Rows
    that fill the tiles of 8-bit experts are multiplied in every decode step; a prefill has them in its fitted share.
    """
    ratio = _distinct(work.touched_frac, k["distinct_frac"]) if not prefill else 1.0
    memory_s = _memory_s(work, k, ratio)
    compute_s = _prefill_s(work, setting, k) if prefill else _decode_s(work, k)
    power = np.asarray(k["overlap_exponent"])
    overlapped = (memory_s**power + compute_s**power) ** (1.0 / power)
    launch_s = _launch_s(work, setting, k)
    sequences = np.asarray(setting.batch)
    waiting = sequences * k["host_request_time_s"] if prefill else _host_s(sequences, k)
    waiting_s = waiting * np.asarray(setting.contention)
    padded_s = 0.0 if prefill else work.padded_s / k["padded_expert_frac"]
    busy_s = overlapped + launch_s + padded_s
    limit_w = setting.chip_count * setting.power_w
    joules = {
        "static_j": limit_w * k["static_power_frac"] * busy_s,
        "waiting_j": limit_w * k["waiting_power_frac"] * waiting_s,
        "memory_j": (work.moved_bytes + work.expert_bytes * ratio) * k["memory_energy_j_per_byte"],
        "compute_j": (work.flop_count + (0.0 if prefill else work.padded_flop_count)) * k["compute_energy_j"],
        "link_j": work.link_bytes * k["link_energy_j_per_byte"],
    }
    held = held_frac(sum(joules.values()), limit_w * (busy_s + waiting_s))
    return Step(
        busy_s=busy_s,
        waiting_s=waiting_s,
        memory_s=memory_s,
        compute_s=compute_s,
        launch_s=launch_s,
        padded_s=np.asarray(padded_s),
        **{name: value * held for name, value in joules.items()},
    )


def held_frac(energy_j: Array, limit_j: Array) -> Array:
    """Return the factor that holds an energy [J] softly below a limit [J]: (1 + (E / limit)⁴)^(−1/4)."""
    held: Array = (1.0 + (energy_j / limit_j) ** _SHARPNESS) ** (-1.0 / _SHARPNESS)
    return held


def _distinct(touched: Array, distinct: float | Array) -> Array:
    """Return by how much fewer experts are read than independent choices of every token would touch."""
    inside = np.clip(touched, 1e-12, 1.0)
    return np.asarray((1.0 - (1.0 - np.minimum(inside, 1.0 - 1e-12)) ** distinct) / inside)


def _memory_s(work: PassWork, k: Mapping[str, float | Array], ratio: float | Array) -> Array:
    narrow = 1.0 + np.asarray(work.is_narrow) * (np.asarray(k["narrow_expert_frac"]) - 1.0)
    experts = work.expert_s * ratio / (np.asarray(k["expert_bandwidth_frac"]) * narrow)
    cache = work.cache_s / k["cache_bandwidth_frac"] * work.heads_ratio ** np.asarray(k["shared_heads_exponent"])
    return np.asarray(work.dense_s / k["weight_bandwidth_frac"] + experts + cache)


def _decode_s(work: PassWork, k: Mapping[str, float | Array]) -> Array:
    return np.asarray((work.dense_flop_s + work.expert_flop_s) / k["decode_compute_frac"])


def _prefill_s(work: PassWork, setting: Setting, k: Mapping[str, float | Array]) -> Array:
    narrow = 1.0 + np.asarray(work.is_narrow) * (np.asarray(k["narrow_prefill_frac"]) - 1.0)
    groups = np.where(np.asarray(setting.groups) > 1, k["data_parallel_prefill_frac"], 1.0)
    experts = work.expert_flop_s / (np.asarray(k["expert_prefill_frac"]) * narrow)
    return np.asarray((work.dense_flop_s + experts) / (np.asarray(k["prefill_compute_frac"]) * groups))


def _launch_s(work: PassWork, setting: Setting, k: Mapping[str, float | Array]) -> Array:
    hops = np.log2(np.maximum(setting.chip_count, 1.0))
    routed = np.asarray(k["expert_layer_time_s"]) + np.asarray(work.is_narrow) * k["narrow_layer_time_s"]
    routed = routed + hops * k["expert_round_time_s"]
    rounds = np.asarray(work.round_count) * hops * k["round_time_s"] + work.link_s / k["link_frac"]
    return np.asarray(work.layer_count * np.asarray(k["layer_time_s"]) + work.expert_layer_count * routed + rounds)


def _host_s(sequences: Array, k: Mapping[str, float | Array]) -> Array:
    return np.asarray(k["host_step_time_s"] + sequences * np.asarray(k["host_sequence_time_s"]))
