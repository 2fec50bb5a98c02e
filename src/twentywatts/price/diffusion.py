"""The price of images and videos: steps of a network, then an autoencoder; the equation of docs/method/decoder.md.

device = evaluations × (products / (N peak η_m) + attention / (N peak η_a) + bytes / (N bandwidth η_b) + exchange)
time = √(device² + (steps × layers × launch)²) + text / (peak η_m) + latents / (peak η_d)
energy = static power × time + operations × e_op, softly held below the power limit as in ``decoder_step``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from twentywatts.ledger import Cause
from twentywatts.machines import Machine
from twentywatts.price.costs import Costs, Values, with_idle
from twentywatts.price.decoder_step import held_frac
from twentywatts.price.decoder_work import Rates, rates_of
from twentywatts.price.fitted import error_correlation
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Array, Interval
from twentywatts.workload_diffusion import DiffusionWorkload

__all__ = ["DIFFUSION_NAMES", "DrawingWork", "costs", "diffusion_constants", "diffusion_price", "drawing_work"]

DIFFUSION_NAMES = (
    "product_frac attention_frac activation_frac layer_time_s decode_frac exchange_frac static_power_frac "
    "compute_energy_j"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingWork:
    """Seconds at full rates of one chip, and what is left when rates are taken away; arrays broadcast.

    product_s, attention_s, activation_s, exchange_s: of all evaluations of the denoiser. text_s: prompts read, once.
    decode_s: latents turned into pixels, once. layer_count: blocks passed in all steps, both evaluations of a guided
    step together. flop_count: operations. chip_count: chips that share each sample. limit_w: of one chip.
    """

    product_s: Array
    attention_s: Array
    activation_s: Array
    exchange_s: Array
    text_s: Array
    decode_s: Array
    layer_count: Array
    flop_count: Array
    chip_count: Array | float
    limit_w: Array | float


def drawing_work(workload: DiffusionWorkload, rates: Rates) -> DrawingWork:
    """Return a counted batch as seconds at a chip's full rates; operands of 16 bits, as every measured run had."""
    step, times, peak = workload.denoise, workload.evaluation_count, rates.peak_flop_per_s[16]
    once = workload.text.mac_count + workload.decode.mac_count
    return DrawingWork(
        product_s=times * 2.0 * step.weight_mac_count / peak,
        attention_s=times * 2.0 * step.attention_mac_count / peak,
        activation_s=times * (step.activation_bytes + step.weight_bytes) / rates.bandwidth_bytes_per_s,
        exchange_s=times * step.collective_bytes / rates.link_bytes_per_s,
        text_s=2.0 * workload.text.mac_count / peak,
        decode_s=2.0 * workload.decode.mac_count / peak,
        layer_count=workload.step_count * step.layer_count,
        flop_count=2.0 * (times * step.mac_count + once),
        chip_count=float(workload.chip_count),
        limit_w=rates.power_w,
    )


def diffusion_price(work: DrawingWork, k: Mapping[str, float | Array]) -> tuple[Array, Array]:
    """Return seconds of the batch and joules of all chips; text and latents run on one chip while the others wait."""
    chips = np.asarray(work.chip_count, dtype=float)
    shared = work.product_s / k["product_frac"] + work.attention_s / k["attention_frac"]
    shared = shared + work.activation_s / k["activation_frac"] + work.exchange_s / k["exchange_frac"]
    alone = work.text_s / k["product_frac"] + work.decode_s / k["decode_frac"]
    time_s = np.hypot(shared / chips, work.layer_count * k["layer_time_s"]) + alone
    limit_j = chips * work.limit_w * time_s
    raw_j = limit_j * k["static_power_frac"] + work.flop_count * k["compute_energy_j"]
    return np.asarray(time_s), np.asarray(raw_j * held_frac(raw_j, limit_j))


@cache
def _table() -> Mapping[str, Any]:
    path = files("twentywatts") / "data" / "fitted" / "diffusion.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def diffusion_constants(machine: Machine) -> tuple[dict[str, float], bool]:
    """Return the constants for a chip, and whether its family was measured."""
    family = str(machine.traits.get("chip_family", ""))
    factors = _table()["family"].get(family, {})
    found = {
        name: min(entry["value"] * factors.get(name, 1.0), entry["most"])
        for name, entry in _table()["constants"].items()
    }
    return found, family in _table()["family"]


def _error(*, seen: bool) -> Interval:
    width = float(np.exp(_table()["error"]["quantile_90"] * (1.0 if seen else _table()["error"]["unseen_chip"])))
    return Interval(low=1.0 / width, mid=1.0, high=width)


def costs(workload: DiffusionWorkload, machine: Machine, values: Values, scenario: Scenario) -> Costs:
    """Return joules per image or video, what idling would take and the rest (one sum), and the seconds of a batch."""
    rates = rates_of(machine)
    constants, seen = diffusion_constants(machine)
    time_s, joules = diffusion_price(drawing_work(workload, rates), constants)
    shape = (1 + scenario.draws,)
    idle_w = np.broadcast_to(values["idle_power_w"] * workload.chip_count, shape)
    whole = {Cause.UNSPLIT: np.full((1, 1), float(joules / workload.batch))}
    unseen = () if seen else (f"no run on a chip like {machine.name} was fitted: constants are inherited",)
    energy = with_idle(whole, float(time_s / workload.batch) * idle_w[None], machine)
    used = {Cause.STATIC: ("idle_power_w",), Cause.UNSPLIT: ("max_power_w", rates.peak_keys[16])}
    return Costs(
        parts=("generation",),
        energy_j=energy,
        used=used,
        latency_s=np.full(shape, float(time_s)),
        idle_power_w=idle_w,
        chip_count=workload.chip_count,
        bound="compute",
        model_error=_error(seen=seen),
        error_correlation=error_correlation(_table()["error"]["quantile_90"], _table()["error"]["power_90"]),
        notes=(*workload.notes, *unseen),
    )
