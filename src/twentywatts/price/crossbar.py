"""The price of matrix products on in-memory arrays, analog or digital.

E = drives × e_row + cell reads × e_cell + conversions × e_adc(bits) + shift-adds + partial sums + buffers
  + digital operations + what does not fit × (off-chip read + write) + P_static × t, with counts from
``workload_crossbar.tile``; a digital macro has MAC × e_mac(input bits × weight bits) instead of the first three.
e_adc scales with (k1 b + k2 4^b), a published law. t = sequential reads × max(t_read, columns per ADC × t_adc),
layer after layer, one copy of the weights. docs/method/crossbar.md has the range and the known error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from twentywatts.errors import RefusedError, counted
from twentywatts.figures import Figure, load_figures
from twentywatts.ledger import Cause
from twentywatts.machines import Machine
from twentywatts.price.costs import Costs, Portion, Values, sum_by_cause, used_by_cause
from twentywatts.scenario import Boundary, Scenario
from twentywatts.uncertain import Array
from twentywatts.workload import CrossbarWorkload
from twentywatts.workload_crossbar import ArrayShape, Tiling, phase_count, slice_count, tile

__all__ = ["adc_scale", "costs", "tiling_of"]

_HALF = 0.5  # share of ones in random bits: what published energies are taken to hold for
_ANALOG_KEYS = ("row_drive_energy_j", "cell_read_energy_j", "adc_energy_j")
_BYTE_BITS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Reload:
    """What is written anew for every batch because it does not fit: cells and off-chip bytes per layer."""

    cells: Array
    weight_bytes: Array
    chips: float


def costs(workload: CrossbarWorkload, machine: Machine, values: Values, scenario: Scenario) -> Costs:
    """Return joules per inference by layer and cause, and the seconds of one batch.

    ``workload`` arrays have shape (..., layers) and count one inference; ``values`` come from ``values_of``. Raises
    RefusedError where the machine publishes neither array energies nor the energy of a digital MAC.
    """
    _check(machine)
    tiling = tiling_of(workload, machine)
    reload = _reload(workload, machine, tiling)
    busy_s = _busy_s(machine, values, tiling)
    write_s = reload.cells[..., None] * _figure(values, "cell_write_time_s")
    batch_s = busy_s * scenario.batch + write_s
    static_w = values["static_power_w"]
    portions = (
        *_array_portions(workload, machine, values, tiling),
        *_digital_portions(workload, values, tiling),
        *_reload_portions(reload, values, scenario),
        _portion(Cause.STATIC, busy_s * static_w, "static_power_w", "array_read_time_s", "adc_time_s"),
        _portion(Cause.STATIC, write_s * static_w / scenario.batch, "static_power_w", "cell_write_time_s"),
    )
    return Costs(
        parts=workload.layers,
        energy_j=sum_by_cause(portions),
        used=used_by_cause(portion for portion in portions if portion.energy_j.any()),
        latency_s=batch_s.sum(axis=-2),
        idle_power_w=static_w,
        bound="memory" if write_s[..., 0].sum() > busy_s[..., 0].sum() * scenario.batch else "compute",
        portions=portions,
        notes=_notes(machine, tiling, reload),
        not_covered=_not_covered(machine),
    )


def _portion(cause: Cause, energy_j: Array, *keys: str) -> Portion:
    return Portion(cause=cause, energy_j=energy_j, used=keys)


def tiling_of(workload: CrossbarWorkload, machine: Machine) -> Tiling:
    """Return the arrays, reads and conversions that the layers of a workload take on a machine."""
    columns_per_weight = round(machine.value("columns_per_weight_count", 1.0) or 1.0)
    rows = round(machine.value("array_rows_count") or 1.0)
    in_analog = machine.traits.get("input_accumulation") == "analog"
    shape = ArrayShape(
        rows=rows,
        columns=round(machine.value("array_columns_count") or 1.0),
        active_rows=min(rows, round(machine.value("active_rows_count", float(rows)) or rows)),
        columns_per_weight=columns_per_weight,
        slices=slice_count(workload.weight_bits, workload.cell_bits, columns_per_weight),
        phases_per_conversion=int(phase_count(workload.input_bits, workload.dac_bits)) if in_analog else 1,
    )
    return tile(
        shape,
        row_count=workload.row_count,
        column_count=workload.column_count,
        group_count=workload.group_count,
        vector_count=workload.vector_count,
        phases=_phases(workload, machine),
    )


def adc_scale(bits: int, reference_bits: float, values: Values | None = None) -> Array:
    """Return the energy of a conversion of ``bits`` over one of ``reference_bits``: (k1 b + k2 4^b) of both.

    Source: zigzag-imc, imc_array.
    """
    laws = values or {key: np.array([figure.value]) for key, figure in _laws().items()}
    linear, exponential = laws["adc_linear_energy_j"], laws["adc_exponential_energy_j"]
    scaled: Array = (linear * bits + exponential * 4.0**bits) / (
        linear * reference_bits + exponential * 4.0**reference_bits
    )
    return scaled


@cache
def _laws() -> dict[str, Figure]:
    return load_figures("crossbar_laws")


def _check(machine: Machine) -> None:
    digital = "digital_mac_energy_j" in machine.figures
    lacking = [key for key in _ANALOG_KEYS if key not in machine.figures]
    if not digital and lacking:
        raise RefusedError(
            f"'{machine.name}' publishes neither digital_mac_energy_j nor {', '.join(lacking)}: "
            "an in-memory array cannot be priced without them"
        )


def _phases(workload: CrossbarWorkload, machine: Machine) -> Array:
    """Return read phases per layer; signed inputs take two passes unless the chip drives both signs at once."""
    shape = np.shape(workload.row_count)
    signed = np.zeros(shape[-1:], bool) if not workload.signed_inputs else np.array(workload.signed_inputs, bool)
    passes = np.where(signed & (not machine.traits.get("signed_inputs", False)), 2.0, 1.0)
    return np.broadcast_to(phase_count(workload.input_bits, workload.dac_bits, passes), shape)


def _figure(values: Values, key: str) -> Array:
    """Return a figure's draws, or zero where the machine has no such component."""
    return values.get(key, np.zeros_like(values["static_power_w"]))


def _array_portions(
    workload: CrossbarWorkload, machine: Machine, values: Values, tiling: Tiling
) -> tuple[Portion, ...]:
    """Return joules of the arrays and of the conversions, shape (..., layers, 1 + draws)."""
    if "adc_energy_j" not in values or (workload.adc_bits == 0 and "digital_mac_energy_j" in values):
        reference = (machine.value("input_bits") or 1.0) * (machine.value("weight_bits", 1.0) or 1.0)
        scale = workload.input_bits * workload.weight_bits / reference
        mac_j = tiling.mac_count[..., None] * values["digital_mac_energy_j"] * scale
        nothing = _portion(Cause.CONVERSION, np.zeros_like(mac_j))
        return _portion(Cause.COMPUTE, mac_j, "digital_mac_energy_j"), nothing
    lit = (np.clip(workload.active_frac, 0.0, 1.0) / _HALF)[..., None]
    dac_share = workload.dac_bits / (machine.value("dac_bits", 1.0) or 1.0)
    drive_j = tiling.row_drives[..., None] * values["row_drive_energy_j"] * dac_share
    cell_j = tiling.cell_reads[..., None] * values["cell_read_energy_j"]
    bits = workload.adc_bits or (machine.value("adc_bits") or 1.0)
    adc_j = values["adc_energy_j"] * adc_scale(int(bits), machine.value("adc_bits") or bits)
    conversions = tiling.conversions[..., None]
    return (
        _portion(Cause.COMPUTE, drive_j * lit, "row_drive_energy_j"),
        _portion(Cause.COMPUTE, cell_j * lit, "cell_read_energy_j"),
        _portion(Cause.CONVERSION, conversions * adc_j, "adc_energy_j"),
        _portion(Cause.CONVERSION, conversions * _figure(values, "shift_add_energy_j"), "shift_add_energy_j"),
    )


def _digital_portions(workload: CrossbarWorkload, values: Values, tiling: Tiling) -> tuple[Portion, ...]:
    """Return joules around the arrays: digital operations, buffers, partial sums."""
    digital_j = _digital_energy(workload, values, tiling)
    buffer_j = _buffer_energy(workload, values, tiling)
    partial_j = _partial_sum_energy(workload, values, tiling)
    return (
        _portion(Cause.COMPUTE, digital_j, "digital_op_energy_j"),
        _portion(Cause.MEMORY, buffer_j, "buffer_energy_j_per_byte"),
        _portion(Cause.COMMUNICATION, partial_j, "buffer_energy_j_per_byte"),
    )


def _reload_portions(reload: _Reload, values: Values, scenario: Scenario) -> tuple[Portion, ...]:
    """Return joules of what does not fit: weights read from outside and written into cells for every batch."""
    write_j = reload.cells[..., None] * _figure(values, "cell_write_energy_j") / scenario.batch
    offchip_j = reload.weight_bytes[..., None] * _figure(values, "offchip_energy_j_per_byte") / scenario.batch
    offchip = _portion(Cause.MEMORY, offchip_j, "offchip_energy_j_per_byte")
    return (
        _portion(Cause.MEMORY, write_j, "cell_write_energy_j"),
        replace(offchip, scope=Boundary.DEVICE),
    )


def _digital_energy(workload: CrossbarWorkload, values: Values, tiling: Tiling) -> Array:
    operations = np.asarray(workload.op_count, float) + tiling.partial_sum_adds
    energy: Array = operations[..., None] * _figure(values, "digital_op_energy_j")
    return energy


def _buffer_energy(workload: CrossbarWorkload, values: Values, tiling: Tiling) -> Array:
    """Return joules of reading inputs (once per column tile) and writing outputs."""
    products = workload.vector_count * workload.group_count
    read = products * workload.row_count * tiling.column_tiles * workload.input_bits / _BYTE_BITS
    energy: Array = (read + workload.output_bytes)[..., None] * _figure(values, "buffer_energy_j_per_byte")
    return energy


def _partial_sum_energy(workload: CrossbarWorkload, values: Values, tiling: Tiling) -> Array:
    """Return joules of carrying partial sums between row tiles: written once and read once, at full width."""
    bits = workload.input_bits + workload.weight_bits + np.ceil(np.log2(np.maximum(workload.row_count, 2.0)))
    moved = 2.0 * tiling.partial_sum_adds * bits / _BYTE_BITS
    energy: Array = moved[..., None] * _figure(values, "buffer_energy_j_per_byte")
    return energy


def _reload(workload: CrossbarWorkload, machine: Machine, tiling: Tiling) -> _Reload:
    """Return what is written for every batch: of K arrays K - 1 keep their tiles, the others pass through one."""
    capacity = machine.value("array_count") or 1.0
    needed = tiling.array_count.sum(axis=-1, keepdims=True)
    share = np.where(needed > capacity, (needed - capacity + 1.0) / needed, 0.0)
    weights = workload.row_count * workload.column_count * workload.group_count
    return _Reload(
        cells=tiling.cell_count * share,
        weight_bytes=weights * share * workload.weight_bits / _BYTE_BITS,
        chips=float(np.max(needed / capacity)),
    )


def _busy_s(machine: Machine, values: Values, tiling: Tiling) -> Array:
    """Return seconds of array reads per inference and layer: the slower of the read and its conversions."""
    per_adc = machine.value("columns_per_adc_count", 1.0) or 1.0
    convert_s = per_adc * _figure(values, "adc_time_s")
    read_s = np.maximum(values["array_read_time_s"], convert_s)
    seconds: Array = tiling.sequential_reads[..., None] * read_s
    return seconds


def _notes(machine: Machine, tiling: Tiling, reload: _Reload) -> tuple[str, ...]:
    used = float(tiling.cell_count.sum()) / _cells_held(tiling)
    arrays = float(tiling.array_count.sum(axis=-1).max())
    notes = [f"{counted(arrays, 'array')}, {100 * used:.0f} % of the cells used"]
    if reload.chips > 1.0:
        kind = str(machine.traits.get("kind", ""))
        notes.append(
            f"the weights need {reload.chips:,.1f} times the arrays of this chip: "
            f"{float(reload.cells.sum(axis=-1).max()):,.0f} cells are rewritten for every batch"
            + ("" if kind.startswith("sram") else "; non-volatile cells wear out with that")
        )
    if machine.traits.get("design_only"):
        notes.append("a published design, not silicon")
    return tuple(notes)


def _cells_held(tiling: Tiling) -> float:
    """Return the cells of all arrays in use."""
    return float((tiling.cell_count / tiling.utilisation_frac).sum())


def _not_covered(machine: Machine) -> tuple[str, ...]:
    lacking = {
        "buffer_energy_j_per_byte": "activation buffers",
        "digital_op_energy_j": "digital operations outside the arrays",
        "cell_write_energy_j": "writing the cells",
        "offchip_energy_j_per_byte": "reading weights from outside",
    }
    missing = tuple(f"{text}: no figure" for key, text in lacking.items() if key not in machine.figures)
    return (*missing, "time of digital operations and of moving activations between arrays")
