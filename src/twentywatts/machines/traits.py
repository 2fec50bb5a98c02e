"""Traits: what a form must respect, read from a Machine. Never an energy."""

from __future__ import annotations

from dataclasses import dataclass

from twentywatts.machines.machine import Machine

__all__ = ["CrossbarTraits", "ProcessorTraits", "SpikingTraits", "Traits", "traits_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorTraits:
    """Precisions whose peak rate the chip publishes, of fp32, fp16, int8."""

    precisions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingTraits:
    """What a neuromorphic core can hold.

    weight_bits: width of a signed weight. weight_value_count: distinct weight values per neuron (TrueNorth: 4), or
    None. fan_in_count: synapses into one neuron at most, or None. neurons_per_core_count, synapses_per_core_count.
    """

    weight_bits: int
    weight_value_count: int | None
    fan_in_count: int | None
    neurons_per_core_count: int
    synapses_per_core_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossbarTraits:
    """What an in-memory array is.

    rows, columns of one array; cell_bits per cell; columns_per_weight 2 for a differential pair; input_bits and
    adc_bits at most (adc_bits 0: digital, exact); dac_bits per phase; active_rows at once.
    The noise figures are standard deviations as shares of the largest conductance; drift G(t) = G (t/t0)^-exponent.
    programming_noise_polynomial: where published, the same share as a polynomial in g/g_max, constant first.
    kind: rram, pcm, sram-analog or sram-digital. signed_inputs: both signs are driven in one pass. analog_phases: the
    phases of an input add up before one conversion. offset_weights: a cell holds weight + offset, never negative;
    otherwise a weight with one column carries its sign inside the cell.
    """

    kind: str
    rows: int
    columns: int
    cell_bits: int
    columns_per_weight: int
    input_bits: int
    dac_bits: int
    adc_bits: int
    weight_bits: int
    active_rows: int
    programming_noise_frac: float
    read_noise_frac: float
    drift_exponent: float
    drift_exponent_sd: float
    drift_reference_time_s: float
    programming_noise_polynomial: tuple[float, ...] = ()
    signed_inputs: bool = False
    analog_phases: bool = False
    offset_weights: bool = False


Traits = ProcessorTraits | SpikingTraits | CrossbarTraits


def traits_of(machine: Machine) -> Traits | None:
    """Return the traits of a machine, None for the brain (it has no form)."""
    if machine.family == "processor":
        return _processor(machine)
    if machine.family == "neuromorphic":
        return _spiking(machine)
    return _crossbar(machine) if machine.family == "crossbar" else None


def _processor(machine: Machine) -> ProcessorTraits:
    keys = {"fp32": "peak_fp32_flop_per_s", "fp16": "peak_fp16_flop_per_s", "int8": "peak_int8_op_per_s"}
    return ProcessorTraits(precisions=tuple(name for name, key in keys.items() if key in machine.figures))


def _whole(machine: Machine, key: str, default: int = 0) -> int:
    return round(machine.value(key, default) or 0)


def _spiking(machine: Machine) -> SpikingTraits:
    return SpikingTraits(
        weight_bits=_whole(machine, "weight_bits"),
        weight_value_count=_whole(machine, "weight_value_count") or None,
        fan_in_count=_whole(machine, "fan_in_count") or None,
        neurons_per_core_count=_whole(machine, "neurons_per_core_count"),
        synapses_per_core_count=_whole(machine, "synapses_per_core_count"),
    )


def _crossbar(machine: Machine) -> CrossbarTraits:
    rows = _whole(machine, "array_rows_count")
    cell_bits = _whole(machine, "cell_bits")
    return CrossbarTraits(
        kind=str(machine.traits.get("kind", "")),
        rows=rows,
        columns=_whole(machine, "array_columns_count"),
        cell_bits=cell_bits,
        columns_per_weight=_whole(machine, "columns_per_weight_count"),
        input_bits=_whole(machine, "input_bits"),
        dac_bits=_whole(machine, "dac_bits", 1),
        adc_bits=_whole(machine, "adc_bits"),
        weight_bits=_whole(machine, "weight_bits", cell_bits),
        active_rows=_whole(machine, "active_rows_count", rows),
        programming_noise_frac=machine.value("programming_noise_frac", 0.0) or 0.0,
        read_noise_frac=machine.value("read_noise_frac", 0.0) or 0.0,
        drift_exponent=machine.value("drift_exponent", 0.0) or 0.0,
        drift_exponent_sd=machine.value("drift_exponent_sd", 0.0) or 0.0,
        drift_reference_time_s=machine.value("drift_reference_time_s", 1.0) or 1.0,
        programming_noise_polynomial=_noise_polynomial(machine),
        signed_inputs=bool(machine.traits.get("signed_inputs", False)),
        analog_phases=machine.traits.get("input_accumulation") == "analog",
        offset_weights=bool(machine.traits.get("offset_weights", False)),
    )


def _noise_polynomial(machine: Machine) -> tuple[float, ...]:
    largest = float(machine.traits.get("conductance_max_us", 0.0))
    return tuple(float(value) / largest for value in machine.traits.get("conductance_noise_us", ()) if largest > 0.0)
