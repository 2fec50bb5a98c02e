"""The price of a language model: prefill, then step after step, with fitted constants and a held-out interval.

``decoder_price`` prices any number of uses at once (arrays of batches and lengths); ``costs`` is the same for one use,
as the accounting takes it. docs/method/decoder.md has the equation, its range and its known error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twentywatts.ledger import Cause
from twentywatts.machines import Machine
from twentywatts.price.costs import Costs, Values, with_idle
from twentywatts.price.decoder_constants import (
    DecoderConstants,
    constants_of,
    error_model,
    identified_causes,
    measured_batches,
)
from twentywatts.price.decoder_step import Setting, Step, step
from twentywatts.price.decoder_work import Rates, pass_work, rates_of
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Array
from twentywatts.workload_decoder import DecoderWorkload

__all__ = ["DecoderPrice", "costs", "decoder_price"]

_CAUSES = {
    Cause.UNSPLIT: ("static_j", "waiting_j"),
    Cause.MEMORY: ("memory_j",),
    Cause.COMPUTE: ("compute_j",),
    Cause.COMMUNICATION: ("link_j",),
}
_MEASURED_BITS = 8.0  # weights of measured runs have 16 or 8 bits
_SPECIFICATIONS = ("max_power_w", "memory_bandwidth_bytes_per_s")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecoderPrice:
    """Seconds and joules of a batch of requests; every array has the shape of the use.

    prefill, decode: the reading of all prompts, and one mean step. error_scale: how much larger than usual the error
    is here. constants: what it rests on.
    """

    prefill: Step
    decode: Step
    step_count: Array
    batch: Array
    output_tokens: Array
    error_scale: Array
    constants: DecoderConstants
    rates: Rates

    @property
    def time_s(self) -> Array:
        """Seconds from the prompts to the last token, for one batch."""
        return self.prefill.time_s + self.step_count * self.decode.time_s

    @property
    def part_times_s(self) -> Array:
        """Seconds of the prefill and of all steps, for one batch."""
        return np.array([_single(self.prefill.time_s), _single(self.step_count * self.decode.time_s)])

    @property
    def energy_j(self) -> Array:
        """Joules per request, all chips."""
        return (self.prefill.energy_j + self.step_count * self.decode.energy_j) / self.batch

    @property
    def energy_j_per_token(self) -> Array:
        """Joules per output token, the prompt's share with it; per request where nothing is written."""
        return self.energy_j / np.maximum(self.output_tokens, 1.0)

    @property
    def tokens_per_s(self) -> Array:
        """Output tokens per second, all sequences."""
        return self.output_tokens * self.batch / self.time_s


def decoder_price(workload: DecoderWorkload, machine: Machine, *, software: str = "") -> DecoderPrice:
    """Return what a workload takes on its chips; raises RefusedError for a chip that cannot be priced.

    software: the era of the serving software (``software_names()``), the newest where empty.
    """
    rates = rates_of(machine)
    constants = constants_of(machine, software)
    chips = workload.parallelism.chip_count
    setting = Setting(
        chip_count=float(chips),
        power_w=rates.power_w,
        groups=float(workload.parallelism.data),
        batch=workload.batch,
    )
    prefill, decode = (
        step(pass_work(phase, workload, rates), setting, constants.values, prefill=is_prefill)
        for phase, is_prefill in ((workload.prefill, True), (workload.decode, False))
    )
    scale = error_model().scale(
        routed=bool(np.any(np.asarray(workload.decode.expert_layer_count) > 0)),
        chips=chips,
        batch=workload.batch,
        unseen=not constants.family,
    )
    return DecoderPrice(
        prefill=prefill,
        decode=decode,
        step_count=workload.step_count,
        batch=workload.batch,
        output_tokens=workload.output_tokens,
        error_scale=scale,
        constants=constants,
        rates=rates,
    )


def costs(workload: DecoderWorkload, machine: Machine, values: Values, scenario: Scenario) -> Costs:
    """Return joules per request by cause for prefill and decode, and the seconds of one batch, of a single use.

    Figures enter at their mids: the interval is the held-out error of the whole, which has their spread in it.
    """
    found = decoder_price(workload, machine, software=scenario.software)
    shape = (1 + scenario.draws,)
    idle_w = np.broadcast_to(values["idle_power_w"] * workload.parallelism.chip_count, shape)
    energy = with_idle(_by_cause(found), found.part_times_s[:, None] / found.batch * idle_w, machine)
    return Costs(
        parts=("prefill", "decode"),
        energy_j=energy,
        used={cause: _used(cause, found, workload) for cause in (*energy, Cause.STATIC)},  # waiting is always static
        latency_s=np.full(shape, _single(found.time_s)),
        idle_power_w=idle_w,
        chip_count=workload.parallelism.chip_count,
        bound=_bound(found),
        model_error=error_model().interval(_single(found.error_scale)),
        error_correlation=error_model().correlation,
        notes=(*workload.notes, *_notes(found, workload, machine)),
    )


def _single(array: Array) -> float:
    return float(np.asarray(array).reshape(()))


def _by_cause(found: DecoderPrice) -> Mapping[Cause, Array]:
    """Return cause → joules per request of prefill and decode, (2, 1); what the data cannot tell apart is one sum."""
    told = {Cause(name) for name in identified_causes()}
    energy: dict[Cause, Array] = {}
    for cause, names in _CAUSES.items():
        joules = np.array(
            [sum(_single(getattr(part, name)) for name in names) for part in (found.prefill, found.decode)]
        )
        joules *= np.array([1.0, _single(found.step_count)]) / _single(found.batch)
        kept = cause if cause in told else Cause.UNSPLIT
        energy[kept] = energy.get(kept, np.zeros((2, 1))) + joules[:, None]
    return energy


def _used(cause: Cause, found: DecoderPrice, workload: DecoderWorkload) -> tuple[str, ...]:
    peaks = {found.rates.peak_keys[bits] for bits in (workload.linear_operand_bits, 16)}
    by_cause = {
        Cause.STATIC: ("idle_power_w",),
        Cause.MEMORY: ("memory_bandwidth_bytes_per_s",),
        Cause.COMPUTE: tuple(sorted(peaks)),
        Cause.COMMUNICATION: ("link_bandwidth_bytes_per_s",),
    }
    return by_cause.get(cause, (*_SPECIFICATIONS, *sorted(peaks)))


def _bound(found: DecoderPrice) -> str:
    """Return what holds most of the time of the whole batch."""
    steps = _single(found.step_count)
    both = ((found.prefill, 1.0), (found.decode, steps))
    totals = {
        "memory": sum(_single(part.memory_s) * times for part, times in both),
        "compute": sum(_single(part.compute_s + part.padded_s) * times for part, times in both),
        "launch": sum(_single(part.launch_s) * times for part, times in both),
        "host": sum(_single(part.waiting_s) * times for part, times in both),
    }
    return max(totals, key=lambda name: totals[name])


def _notes(found: DecoderPrice, workload: DecoderWorkload, machine: Machine) -> tuple[str, ...]:
    notes = [f"served as by {found.constants.software} (--software takes another era)"]
    if not found.constants.family:
        notes.append(f"no run on a chip like {machine.name} was fitted: constants are inherited, the interval is wider")
    least, most = measured_batches()
    if not least <= _single(found.batch) <= most:
        notes.append(f"measured runs have {least:,} to {most:,} requests at a time: fewer or more is an extrapolation")
    if not np.any(workload.output_tokens):
        notes.append(
            "no measured run of a model that only reads was fitted: it is priced as the prompt of one that writes"
        )
    stored = min(workload.linear_bits, workload.expert_bits)
    if stored < _MEASURED_BITS:
        notes.append(
            f"no measured run has weights of {stored:.3g} bits: their kernels are taken to do as well as others"
        )
    bits = min(workload.linear_operand_bits, workload.expert_operand_bits)
    if bits < 16 and found.rates.peak_keys[bits] != f"peak_fp{bits}_flop_per_s":
        slower = found.rates.peak_keys[bits].split("_")[1]
        notes.append(f"{machine.name} publishes no rate for {bits}-bit operands: arithmetic is timed at {slower}")
    if np.any(found.decode.padded_s):
        notes.append(
            "8-bit experts are multiplied in whole tiles of rows: few requests at a time cost more than in bf16"
        )
    return tuple(notes)
