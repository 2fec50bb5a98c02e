"""Machine: a chip as published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twentywatts.figures import Boundary, Figure, Source

__all__ = ["FAMILIES", "KEYS", "ONE_OF", "REQUIRED", "TRAITS", "Machine"]

FAMILIES = ("processor", "neuromorphic", "crossbar", "brain")

REQUIRED = {
    "processor": (
        "peak_fp32_flop_per_s memory_bandwidth_bytes_per_s memory_capacity_bytes memory_energy_j_per_byte "
        "max_power_w idle_power_w launch_time_s"
    ).split(),
    "neuromorphic": (
        "core_count neurons_per_core_count synapses_per_core_count weight_bits synaptic_event_energy_j "
        "neuron_update_energy_j static_power_w"
    ).split(),
    "crossbar": (
        "array_rows_count array_columns_count array_count cell_bits input_bits adc_bits columns_per_weight_count "
        "array_read_time_s static_power_w"
    ).split(),
    "brain": ["power_w"],
}

# of each group at least one figure: a chip without any time would draw its static power for no time at all
ONE_OF = {
    "neuromorphic": ["timestep_s step_overhead_s synaptic_event_time_s neuron_update_time_s".split()],
}

_OPTIONAL = {
    "processor": (
        "peak_fp16_flop_per_s peak_fp8_flop_per_s peak_fp4_flop_per_s peak_int8_op_per_s "
        "link_bandwidth_bytes_per_s cache_capacity_bytes cache_energy_j_per_byte mac_fp32_energy_j "
        "mac_fp16_energy_j mac_int8_energy_j call_time_s host_power_w process_nm"
    ).split(),
    "neuromorphic": (
        "fan_in_count neuron_idle_update_energy_j spike_energy_j message_energy_j hop_energy_j mac_energy_j "
        "active_base_power_w timestep_s step_overhead_s synaptic_event_time_s neuron_update_time_s message_time_s "
        "inference_overhead_s inference_overhead_energy_j process_nm weight_value_count"
    ).split(),
    "crossbar": (
        "cell_read_energy_j row_drive_energy_j adc_energy_j shift_add_energy_j buffer_energy_j_per_byte "
        "digital_mac_energy_j cell_write_energy_j cell_write_time_s offchip_energy_j_per_byte columns_per_adc_count "
        "adc_time_s active_rows_count dac_bits weight_bits process_nm programming_noise_frac read_noise_frac "
        "drift_exponent drift_exponent_sd drift_reference_time_s digital_op_energy_j"
    ).split(),
    "brain": "computation_power_w communication_power_w neuron_count synapse_count firing_rate_per_s".split(),
}

# what the traits that a form or pricer reads must be; any other trait is a note for people
TRAITS: Mapping[str, tuple[str, ...] | str] = {
    "boundary": tuple(Boundary),
    "source": "a text",
    "kind": "a text",
    "chip_family": "a text",
    "structured_sparsity": "a text",
    "half_format": ("bf16", "fp16"),
    "cores_per_tile": "a positive number",
    "weight_sharing": ("core", "synapse"),
    "neuron_update": ("clocked", "event"),
    "event_row": ("full", "sparse"),
    "input_accumulation": ("analog", "digital"),
    "conductance_max_us": "a positive number",
    "conductance_noise_time_s": "a number",
    "conductance_noise_us": "a list of numbers",
    "event_includes_routing": "true or false",
    "graded_spikes": "true or false",
    "signed_inputs": "true or false",
    "offset_weights": "true or false",
    "design_only": "true or false",
    "macro_only": "true or false",
}

KEYS = {family: frozenset(REQUIRED[family]) | frozenset(_OPTIONAL[family]) for family in FAMILIES}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Machine:
    """A chip as published: figures with interval, condition and source, and categorical traits.

    boundary: the widest boundary that its power figures describe. refused: why it must not be priced, or empty.
    origin: 'bundled', the path of a user's file, or 'detected'. sources: those that the file itself brings.
    """

    name: str
    title: str
    family: str
    year: int
    summary: str
    figures: Mapping[str, Figure]
    traits: Mapping[str, Any] = field(default_factory=dict)
    operating_points: tuple[Mapping[str, Any], ...] = ()
    boundary: Boundary = Boundary.CHIP
    refused: str = ""
    origin: str = "bundled"
    sources: Mapping[str, Source] = field(default_factory=dict)

    @property
    def standing(self) -> str:
        """``chip``; ``macro`` for one array without the rest of a chip; ``design`` for what was never built."""
        if self.traits.get("design_only"):
            return "design"
        return "macro" if self.traits.get("macro_only") else "chip"

    def __str__(self) -> str:
        """Return what it is, in one line; ``twentywatts machines show NAME`` has every figure."""
        told = f"refused: {self.refused}" if self.refused else f"{len(self.figures)} published figures"
        return f"{self.title} ({self.name}, {self.family}, {self.year}): {told}"

    def value(self, key: str, default: float | None = None) -> float | None:
        """Return the mid value of a figure in SI units, or ``default`` where the chip publishes none."""
        figure = self.figures.get(key)
        return figure.value if figure else default
