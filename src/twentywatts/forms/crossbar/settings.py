"""What the search may choose on a crossbar: bits of a conversion, of a weight (cells per weight) and of an input."""

from __future__ import annotations

from itertools import product

from twentywatts.errors import InputError
from twentywatts.forms.crossbar.precision import WeightGrid
from twentywatts.forms.protocol import Setting
from twentywatts.machines.traits import CrossbarTraits
from twentywatts.workload_crossbar import phase_count, slice_count

__all__ = ["check_setting", "settings", "weight_grid"]

_WANTED_BITS = (4, 8)  # weights and inputs: as few as may do, and as many as nearly always do
_LEAST_ADC_BITS = 4


def settings(traits: CrossbarTraits) -> list[Setting]:
    """Return at most eight settings, fewest conversions × bits first: the order to try them in, not their price."""
    weights, inputs, adcs = _weight_options(traits), _input_options(traits), _adc_options(traits)
    pairs = [(weights[0], inputs[0]), (weights[0], inputs[-1]), (weights[-1], inputs[-1])]
    found = {
        (adc, weight, bits): None
        for (weight, bits), adc in product(dict.fromkeys(pairs), adcs)
        if (weight, bits) != pairs[-1] or weights[0] == weights[-1] or adc != min(adcs) or len(adcs) == 1
    }
    chosen = sorted(found, key=lambda key: (_effort(traits, *key), key))
    return [{"adc_bits": adc, "weight_bits": weight, "input_bits": bits} for adc, weight, bits in chosen]


def _effort(traits: CrossbarTraits, adc_bits: int, weight_bits: int, input_bits: int) -> float:
    phases = 1.0 if traits.analog_phases else float(phase_count(input_bits, traits.dac_bits))
    slices = slice_count(weight_bits, traits.cell_bits, traits.columns_per_weight)
    return slices * phases * max(adc_bits, 1)


def _weight_options(traits: CrossbarTraits) -> list[int]:
    """Return the widths of a weight that whole cells hold, one near each of 4 and 8 bit."""
    found = []
    for wanted in _WANTED_BITS:
        slices = 1
        while _held_bits(slices, traits) < wanted:
            slices += 1
        found.append(_held_bits(slices, traits))
    return sorted(set(found))


def _held_bits(slices: int, traits: CrossbarTraits) -> int:
    """Return the bits of a signed weight that ``slices`` cells (or pairs) hold."""
    if traits.adc_bits == 0 or traits.offset_weights:
        return slices * traits.cell_bits
    return slices * _digit_bits(traits) + 1


def _digit_bits(traits: CrossbarTraits) -> int:
    signed_cell = traits.columns_per_weight == 1 and not traits.offset_weights
    return max(1, traits.cell_bits - 1) if signed_cell else traits.cell_bits


def _input_options(traits: CrossbarTraits) -> list[int]:
    """Return 4 and 8 bit as far as the chip goes; digital arrays take twice their bits in twice the phases."""
    most = _most_input_bits(traits)
    fewer = [bits for bits in _WANTED_BITS if bits <= most and traits.dac_bits < bits]
    return sorted({*fewer, most} if most <= max(_WANTED_BITS) else set(fewer) or {most})


def _most_input_bits(traits: CrossbarTraits) -> int:
    serial_digital = traits.adc_bits == 0 and traits.dac_bits < traits.input_bits
    return traits.input_bits * 2 if serial_digital else traits.input_bits


def _adc_options(traits: CrossbarTraits) -> list[int]:
    """Return the chip's resolution, two bits below it, and 4; 0 for digital arrays."""
    most = traits.adc_bits
    return sorted({most, *(bits for bits in (_LEAST_ADC_BITS, most - 2) if _LEAST_ADC_BITS <= bits < most)})


def weight_grid(traits: CrossbarTraits, weight_bits: int) -> WeightGrid:
    """Return how a weight of so many bits lies in the cells of a machine."""
    return WeightGrid(
        bits=weight_bits,
        slices=slice_count(weight_bits, traits.cell_bits, traits.columns_per_weight),
        digit_bits=_digit_bits(traits),
        offset=traits.offset_weights,
    )


def check_setting(traits: CrossbarTraits, setting: Setting) -> tuple[int, int, int]:
    """Return ADC, weight and input bits; raises InputError for what the machine cannot do."""
    given = {}
    for key, least, most in (
        ("adc_bits", min(1, traits.adc_bits), traits.adc_bits),
        ("weight_bits", 2, 16),
        ("input_bits", 1, _most_input_bits(traits)),
    ):
        value = setting.get(key)
        if not isinstance(value, int) or not least <= value <= most:
            raise InputError(f"a crossbar setting needs {key} from {least} to {most} for this machine, got {value!r}")
        given[key] = value
    grid = weight_grid(traits, given["weight_bits"])
    if traits.adc_bits and not grid.offset and grid.slices * grid.digit_bits < grid.bits - 1:
        raise InputError(f"{grid.slices} cells of {traits.cell_bits} bit hold no signed weight of {grid.bits} bit")
    return given["adc_bits"], given["weight_bits"], given["input_bits"]
