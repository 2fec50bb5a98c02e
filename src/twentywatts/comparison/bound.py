"""Is the accuracy kept? One-sided exact bounds on a paired drop.

Two classifiers see the same n samples; the second loses `lost` samples that the first had right and gains `gained`.
The drop is p10 − p01. The bound inverts the test of "drop ≥ δ" with the statistic lost − gained, maximised over the
nuisance p10 + p01 inside its own confidence set (Berger and Boos 1994), so it holds for every n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from twentywatts.uncertain import Z95, Array

__all__ = ["Verdict", "accuracy_interval", "drop_bound", "judge", "samples_needed"]

_CONFIDENCE = 0.95
_GAMMA = 1e-3  # spent on the confidence set of the nuisance
_GRID = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a form keeps the accuracy: True, False, or None where n is too small; with the bound and a sentence."""

    keeps: bool | None
    bound: float
    sentence: str


def accuracy_interval(right: int, n: int) -> tuple[float, float]:
    """Return the exact (Clopper-Pearson) two-sided 95 % interval of ``right`` of ``n``."""
    tail = (1 - _CONFIDENCE) / 2
    return _exact_share(right, n, tail=tail)


@cache
def drop_bound(lost: int, gained: int, n: int) -> float:
    """Return the 95 % upper bound of the drop, −1 to 1: the smallest δ that the data reject, to 1e-5."""
    nuisance = _nuisance(lost + gained, n)
    low = (lost - gained) / n
    high = min(1.0, low + 5 * math.sqrt(nuisance[1] / n) + 12 / n)
    while high - low > 2e-5:
        middle = (low + high) / 2
        if _p_value(lost - gained, n, middle, nuisance) > 1 - _CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _nuisance(discordant: int, n: int) -> tuple[float, float]:
    """Return the exact 1 − γ confidence set of p10 + p01."""
    return _exact_share(discordant, n, tail=_GAMMA / 2)


def _exact_share(count: int, n: int, *, tail: float) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share, ``tail`` outside on each side."""
    from scipy.special import betaincinv

    low = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return low, high


def _p_value(difference: int, n: int, drop: float, nuisance: tuple[float, float]) -> float:
    """Return the largest P(lost − gained ≤ difference) under a drop of ``drop``, plus γ."""
    low, high = max(nuisance[0], abs(drop)), nuisance[1]
    if low > high:
        # no nuisance in its confidence set allows this drop: rejected from above, accepted from below
        return _GAMMA if drop > 0 else 1.0
    psi = np.linspace(low, high, _GRID)
    return float(_at_most(difference, n, drop, np.maximum(psi, 1e-12)).max()) + _GAMMA


def _at_most(difference: int, n: int, drop: float, psi: Array) -> Array:
    """Return P(lost − gained ≤ difference) for each discordance, summed over the number of discordant samples."""
    from scipy.special import gammaln, xlog1py, xlogy

    spread = 9 * np.sqrt(n * psi[-1]) + 30
    first, last = max(0, int(n * psi[0] - spread)), min(n, int(n * psi[-1] + spread))
    pairs = np.arange(first, last + 1)[:, None]
    log_choose = gammaln(n + 1) - gammaln(pairs + 1) - gammaln(n - pairs + 1)
    weight = np.exp(log_choose + xlogy(pairs, psi) + xlog1py(n - pairs, -psi))
    share = np.clip((psi + drop) / (2 * psi), 0.0, 1.0)
    lost_at_most = np.floor((difference + pairs) / 2)
    return np.asarray(np.sum(weight * _binomial_cdf(lost_at_most, pairs, share), axis=0))


def _binomial_cdf(successes: Array, trials: NDArray[np.int_], share: Array) -> Array:
    """Return P(X ≤ successes), 0 below none and 1 from all on."""
    from scipy.special import betainc

    inside = np.clip(successes, 0, np.maximum(trials - 1, 0))
    middle = betainc(np.maximum(trials - inside, 1e-9), inside + 1, 1 - share)
    return np.asarray(np.where(successes < 0, 0.0, np.where(successes >= trials, 1.0, middle)))


def samples_needed(lost: int, gained: int, n: int, max_drop: float) -> int | None:
    """Return about how many samples would decide at these rates; None where the rates themselves exceed the drop.

    The distance of the bound from the drop is taken to shrink as s/√n + c/n: s from the normal approximation, c from
    the exact bound at this n. Without any discordant sample the bound itself is asked.
    """
    drop = (lost - gained) / n
    if drop >= max_drop:
        return None
    margin = max_drop - drop
    wide = Z95 * math.sqrt((lost + gained) / n - drop**2)
    rest = max((drop_bound(lost, gained, n) - drop) * n - wide * math.sqrt(n), 0.0)
    root = (wide + math.sqrt(wide**2 + 4 * rest * margin)) / (2 * margin)  # of n: margin = wide / √n + rest / n
    least = math.ceil(3 / max_drop) if max_drop > 0 else 0  # without a loss it takes that many
    needed = max(math.ceil(root**2) if lost + gained else 0, n + 1, least)
    while lost + gained == 0 and drop_bound(0, 0, needed) > max_drop:
        needed = math.ceil(needed * 1.1)
    digits = max(len(str(needed)) - 2, 0)
    return math.ceil(needed / 10**digits) * 10**digits


def judge(lost: int, gained: int, n: int, max_drop: float) -> Verdict:
    """Return whether n paired samples show that the drop is at most ``max_drop``, that it is more, or neither."""
    bound = drop_bound(lost, gained, n)
    drop = (lost - gained) / n
    if bound <= max_drop:
        said = f"drop below {_percent(bound)}" if bound >= 0 else f"a gain of more than {_percent(-bound)}"
        return Verdict(keeps=True, bound=bound, sentence=f"keeps it: {said} at 95 % confidence")
    if -drop_bound(gained, lost, n) > max_drop:
        return Verdict(
            keeps=False, bound=bound, sentence=f"loses {_percent(drop)}, more than {_percent(max_drop)} is shown"
        )
    needed = samples_needed(lost, gained, n, max_drop)
    if needed is None:
        return Verdict(keeps=None, bound=bound, sentence=f"loses {_percent(drop)} on {n} samples, too few to decide")
    text = f"{n} samples cannot tell (drop {_percent(drop)}, could be {_percent(bound)}); about {needed:,} would"
    return Verdict(keeps=None, bound=bound, sentence=text)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
