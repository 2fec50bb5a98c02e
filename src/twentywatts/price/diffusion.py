"""The price of images and videos: steps of a network, then an autoencoder; the equation of docs/method/decoder.md.

time = steps × passes × (products / (N peak η_m) + attention / (N peak η_a) + layers × launch + exchange) + pixels
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
from twentywatts.price.costs import Costs, Values
from twentywatts.price.decoder_work import Rates, rates_of
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Array, Interval

__all__ = ["DIFFUSION_NAMES", "DiffusionWork", "costs", "diffusion_constants", "diffusion_price"]

DIFFUSION_NAMES = (
    "product_frac attention_frac layer_time_s image_decode_flop_per_pixel video_decode_flop_per_pixel decode_frac "
    "exchange_frac static_power_frac compute_energy_j"
).split()
_CAP = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiffusionWork:
    """Work of one batch of images or videos; arrays broadcast.

    pass_count: passes of the network in all (steps × passes per step). product_flop, attention_flop: of one pass of the
    batch. layer_count: of one pass. exchange_bytes: that all chips send in one pass. pixel_count: pixels of all images
    (frames of all videos) of the batch. is_video: 1 or 0. chip_count: chips that share each image.
    """

    pass_count: Array | float
    product_flop: Array | float
    attention_flop: Array | float
    layer_count: Array | float
    exchange_bytes: Array | float
    pixel_count: Array | float
    is_video: Array | float
    chip_count: Array | float
    batch: Array | float = 1.0
    notes: tuple[str, ...] = ()


def diffusion_price(
    work: DiffusionWork,
    k: Mapping[str, float | Array],
    *,
    peak: float | Array,
    link: float | Array,
    power_w: float | Array,
) -> tuple[Array, Array]:
    """Return seconds of the batch and joules of all chips. peak [FLOP/s], link [byte/s], power_w [W]: of one chip."""
    chips = np.asarray(work.chip_count, dtype=float)
    products = work.product_flop / (chips * peak * k["product_frac"])
    attention = work.attention_flop / (chips * peak * k["attention_frac"])
    exchange = np.where(chips > 1, work.exchange_bytes / (chips * link * k["exchange_frac"]), 0.0)
    each = products + attention + work.layer_count * np.asarray(k["layer_time_s"]) + exchange
    image, video = k["image_decode_flop_per_pixel"], k["video_decode_flop_per_pixel"]
    decode_flop = work.pixel_count * (image + work.is_video * (np.asarray(video) - image))
    time_s = work.pass_count * each + decode_flop / (peak * np.asarray(k["decode_frac"]))
    operations = work.pass_count * (work.product_flop + np.asarray(work.attention_flop)) + decode_flop * chips
    limit_j = chips * power_w * time_s
    raw_j = limit_j * k["static_power_frac"] + operations * k["compute_energy_j"]
    return np.asarray(time_s), np.asarray((raw_j**-_CAP + limit_j**-_CAP) ** (-1.0 / _CAP))


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


def costs(workload: DiffusionWork, machine: Machine, values: Values, scenario: Scenario) -> Costs:
    """Return joules per image or video, as one sum (the data tell no causes apart), and the seconds of a batch."""
    rates: Rates = rates_of(machine)
    constants, seen = diffusion_constants(machine)
    time_s, energy_j = diffusion_price(
        workload, constants, peak=rates.peak_flop_per_s[16], link=rates.link_bytes_per_s, power_w=rates.power_w
    )
    shape = (1 + scenario.draws,)
    chips = int(np.asarray(workload.chip_count))
    unseen = () if seen else (f"no run on a chip like {machine.name} was fitted: constants are inherited",)
    return Costs(
        parts=("generation",),
        energy_j={Cause.UNSPLIT: np.full((1, *shape), float(energy_j / workload.batch))},
        used={Cause.UNSPLIT: ("max_power_w", rates.peak_keys[16])},
        latency_s=np.full(shape, float(time_s)),
        idle_power_w=np.broadcast_to(values["idle_power_w"] * chips, shape),
        chip_count=chips,
        bound="compute",
        model_error=_error(seen=seen),
        notes=(*workload.notes, *unseen),
    )
