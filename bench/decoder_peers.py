"""Peers' published formulas for the energy of language models, re-derived: what they say of the same rows."""

from __future__ import annotations

import math

__all__ = ["ecologits_j", "green_algorithms_j", "llmcarbon_j", "mlco2_j", "tdp_j"]

# EcoLogits 0.11 (MPL-2.0), its regression on ML.ENERGY: watt-hours per output token and GPU; P_active in 1e9
_ALPHA, _BETA, _GAMMA, _BATCH = 1.17e-6, -0.0112, 4.05e-5, 64.0
_GPU_GB, _HEADROOM = 80.0, 1.2
_WH = 3600.0


def ecologits_j(active_b: float, total_b: float, *, bits: float = 16.0, batch: float = _BATCH) -> float:
    """Return joules of all GPUs per output token; its own batch is 64 whatever is served."""
    gpus = 2 ** math.ceil(math.log2(math.ceil(_HEADROOM * total_b * bits / 8.0 / _GPU_GB)))
    return (_ALPHA * math.exp(_BETA * batch) * active_b + _GAMMA) * gpus * _WH


def tdp_j(power_w: float, chips: float, time_s: float) -> float:
    """Return TDP × time of all chips."""
    return power_w * chips * time_s


def mlco2_j(power_w: float, chips: float, time_s: float) -> float:
    """Return what MLCO2 Impact says: TDP × time, no usage, no memory."""
    return tdp_j(power_w, chips, time_s)


def green_algorithms_j(power_w: float, chips: float, time_s: float, *, memory_gb: float, usage: float = 1.0) -> float:
    """Return what Green Algorithms says: TDP × usage × time, and 0.3725 W per GB of memory (PUE left out)."""
    return time_s * (chips * power_w * usage + 0.3725 * memory_gb)


def llmcarbon_j(active_b: float, peak_flop_per_s: float, power_w: float, *, efficiency: float = 0.4) -> float:
    """Return what LLMCarbon says of one token: 2 P operations at a share of the peak, at the chip's power."""
    return 2.0 * active_b * 1e9 / (peak_flop_per_s * efficiency) * power_w
