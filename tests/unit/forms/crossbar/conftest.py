"""Arrays to test with: ideal ones, and any others by changing a trait."""

from collections.abc import Callable

import pytest

from twentywatts.machines.traits import CrossbarTraits

IDEAL = {
    "kind": "rram",
    "rows": 128,
    "columns": 128,
    "cell_bits": 4,
    "columns_per_weight": 2,
    "input_bits": 12,
    "dac_bits": 12,
    "adc_bits": 16,
    "weight_bits": 13,
    "active_rows": 128,
    "programming_noise_frac": 0.0,
    "read_noise_frac": 0.0,
    "drift_exponent": 0.0,
    "drift_exponent_sd": 0.0,
    "drift_reference_time_s": 300.0,
    "signed_inputs": True,
}


@pytest.fixture(scope="session")
def traits() -> Callable[..., CrossbarTraits]:
    """Return a function that makes the traits of a nearly ideal array, with changes."""
    return lambda **changes: CrossbarTraits(**{**IDEAL, **changes})
