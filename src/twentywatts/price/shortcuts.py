"""Shortcuts: what papers charge for spikes, and the same with memory and state counted, on one node (45 nm).

Shortcut:   E = 0.9 pJ × synaptic operations (SOP); without spikes 4.6 pJ × MAC. Arithmetic alone, fp32.
With memory: E = SOP (e_add + w/64 e_sram + a p/64 e_sram) + updates (e_add + 2 p/64 e_sram), of w-bit weights and p-bit
potentials, a accesses of a potential per event. Without spikes: E = MAC (b/8 e_mul8 + e_add + r (w + b)/2/64 e_sram),
r words per MAC, half of them weights and half b-bit activations. Bits: ⌈log2(T + 1)⌉ for the twin that says as much as
T steps of binary spikes. Cache energies are per 64-bit access (Horowitz 2014), so a word of b bits costs b/64.
docs/how/review-a-paper.md has the limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from twentywatts.figures import Figure, load_figures, sample
from twentywatts.price.costs import Values
from twentywatts.uncertain import Array

__all__ = [
    "constants",
    "dense_j",
    "lemaire_j",
    "shortcut_dense_j",
    "shortcut_spiking_j",
    "spiking_j",
    "sram_j",
    "values_of",
]

_WEIGHT_BITS, _STATE_BITS, _WORD_BITS = 8, 32, 64
_SIZES_BYTES = (8 * 1024.0, 32 * 1024.0, 1024 * 1024.0)
_SIZE_KEYS = ("sram_8kb_energy_j", "sram_32kb_energy_j", "sram_1mb_energy_j")


@cache
def constants() -> dict[str, Figure]:
    """Return the cited figures behind every function here."""
    return load_figures("shortcuts")


def values_of(*, draws: int, seed: int = 0) -> dict[str, Array]:
    """Return every figure as an array of shape (1 + draws,), mid first."""
    return sample(constants(), namespace="shortcuts", draws=draws, seed=seed)


def shortcut_spiking_j(event_count: float) -> float:
    """Return what a paper charges: 0.9 pJ per synaptic operation [J]."""
    return event_count * constants()["fp32_add_energy_j"].value


def shortcut_dense_j(mac_count: float) -> float:
    """Return what a paper charges the network without spikes: 4.6 pJ per multiply-accumulate [J]."""
    return mac_count * constants()["fp32_mac_energy_j"].value


def spiking_j(event_count: float, values: Values, *, update_count: float = 0.0) -> Array:
    """Return joules of events and neuron updates with weights and potentials read and written, shape (1 + draws,).

    Left out still: spikes on their way, leakage and clocks, input and output. Source: lemaire2022, horowitz2014.
    """
    word_j = values["sram_bank_energy_j"] / _WORD_BITS
    potential_j = _STATE_BITS * word_j
    event_j = values["int32_add_energy_j"] + _WEIGHT_BITS * word_j + values["state_access_count"] * potential_j
    update_j = values["int32_add_energy_j"] + 2.0 * potential_j
    return event_count * event_j + update_count * update_j


def dense_j(mac_count: float, values: Values, *, bits: int = 8) -> Array:
    """Return joules of the network without spikes: 8-bit weights, activations of ``bits``, words read, (1 + draws,)."""
    multiply_j = values["int8_multiply_energy_j"] * bits / 8.0
    words_j = values["dense_access_count"] * values["sram_bank_energy_j"] * (_WEIGHT_BITS + bits) / 2.0 / _WORD_BITS
    return mac_count * (multiply_j + values["int32_add_energy_j"] + words_j)


def sram_j(size_bytes: float, values: Values) -> Array:
    """Return joules of a 64-bit access, between the sizes that are published on a log scale; beyond them, the last."""
    energies = np.log(np.array([values[key] for key in _SIZE_KEYS]))
    sizes = np.log(_SIZES_BYTES)
    place = float(np.clip(math.log(max(size_bytes, 1.0)), sizes[0], sizes[-1]))
    index = min(int(np.searchsorted(sizes, place, side="right")) - 1, len(sizes) - 2)
    share = (place - sizes[index]) / (sizes[index + 1] - sizes[index])
    return np.asarray(np.exp((1.0 - share) * energies[index] + share * energies[index + 1]))


def lemaire_j(
    shapes: Sequence[tuple[int, int]],
    events: Sequence[float],
    values: Values,
    *,
    timesteps: int,
    access_bits: int = 32,
) -> Array:
    """Return joules of dense spiking layers of (inputs, outputs) after Lemaire 2022, int32, shape (1 + draws,).

    events: synaptic operations of each layer. Each costs an addition, an address and three accesses: weight, potential
    read and written; each neuron and step one multiply-accumulate and two accesses of its potential. Spikes in and out
    of their queues are left out. access_bits: of one access; 64 charges a 32-bit word a full access, as often done.
    Source: lemaire2022, the formulas as its followers restate them.
    """
    share = access_bits / _WORD_BITS
    add_j = values["int32_add_energy_j"]
    total = np.zeros_like(add_j)
    for (inputs, outputs), count in zip(shapes, events, strict=True):
        weight_j = sram_j(4.0 * inputs * outputs, values) * share
        potential_j = sram_j(4.0 * outputs, values) * share
        total = total + count * (2.0 * add_j + weight_j + 2.0 * potential_j)
        leak_j = values["int32_multiply_energy_j"] + add_j
        total = total + outputs * timesteps * (leak_j + 2.0 * potential_j)
    return total
