"""Model FLOP utilisation (MFU) of a training run that nobody measured: from chip, tokens and parameters alone."""

from __future__ import annotations

import math

from twentywatts.plan.result import Input
from twentywatts.price.fitted import load_fitted
from twentywatts.uncertain import Interval

__all__ = ["LARGEST_MFU_FRAC", "expected_mfu_frac", "features", "is_beyond_the_fit", "mfu_input"]

LARGEST_MFU_FRAC = 0.75
_REFERENCE_PEAK_FLOP_PER_S = 312e12  # where the fit is centred: one A100
_MANY_TOKENS_PER_PARAMETER = 1000.0
_ROUNDING = 1.05


def features(peak_flop_per_s: float, tokens_per_parameter: float) -> tuple[float, float, float]:
    """Return what the MFU depends on: 1, ln of the chip's peak, and ln(1 + tokens per parameter / 1000).

    A faster chip waits more for memory and network; small models on very many tokens are published with hours that hold
    more than one pass (distillation, annealing, long contexts) and fill a chip less.
    """
    overtrained = math.log1p(tokens_per_parameter / _MANY_TOKENS_PER_PARAMETER)
    return 1.0, math.log(peak_flop_per_s / _REFERENCE_PEAK_FLOP_PER_S), overtrained


def expected_mfu_frac(peak_flop_per_s: float, tokens_per_parameter: float) -> float:
    """Return the median MFU [0 to 0.75] of published runs on such a chip; restarts and idle hours are in it."""
    constants = load_fitted("training").constants
    names = ("log_mfu", "peak_exponent", "overtraining_exponent")
    terms = zip(names, features(peak_flop_per_s, tokens_per_parameter), strict=True)
    return min(math.exp(sum(constants[name].mid * value for name, value in terms)), LARGEST_MFU_FRAC)


def is_beyond_the_fit(peak_flop_per_s: float) -> bool:
    """Tell a chip that is faster than any of a published run, with room for how peaks are rounded."""
    return peak_flop_per_s > _ROUNDING * load_fitted("training").constants["fastest_peak_flop_per_s"].mid


def mfu_input(peak_flop_per_s: float, tokens_per_parameter: float) -> Input:
    """Return the MFU with the 90 % interval of runs whose family the fit had not seen."""
    fitted = load_fitted("training")
    mid = expected_mfu_frac(peak_flop_per_s, tokens_per_parameter)
    low, high = mid * fitted.model_error.low, min(mid * fitted.model_error.high, LARGEST_MFU_FRAC)
    return Input(
        key="mfu_frac",
        label="share of the chip's peak that the run reaches (MFU)",
        interval=Interval(low=low, mid=mid, high=max(high, mid)),
        origin="fitted",
        grade="derived",
        source=fitted.sources[0],
        where=f"bench/fit_training.py: {fitted.rows_count} published runs",
        condition=fitted.method,
    )
