# ruff: noqa: E501
"""What the signs of FP8's saving can tell at all, which are foreseen wrongly, and what a larger batch saves instead."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from decoder_pairs import Pair, is_sibling, run_scatter, sure_log
from fit_decoder import Fits
from twentywatts.uncertain import Array

__all__ = ["best_signs", "ceiling", "ranking", "verdict", "wrong"]

_DRAWS = 10_000
_ERRORS = (0.02, 0.05, 0.08, 0.12)
_AIM = 0.9
_TWICE = (1.8, 2.3)  # batches of which one is called twice the other


def best_signs(ratios: Array, scatter: Array) -> tuple[Array, Array]:
    """Return, draw by draw, how many signs of measured ratios the truth would have right, and a second measurement.

    ratios: ln of measured ratios. scatter: of single runs, drawn with either sign. What is known before measuring is
    taken to be flat: the truth is the measured ratio less the noise of two runs.
    """
    generator = np.random.default_rng(0)
    both = np.concatenate([scatter, -scatter])
    noise = generator.choice(both, (4, _DRAWS, len(ratios)))
    truth = ratios - (noise[0] - noise[1])
    again = truth + noise[2] - noise[3]
    return (np.sign(truth) == np.sign(ratios)).sum(axis=1), (np.sign(again) == np.sign(ratios)).sum(axis=1)


def verdict(fits: Fits, pairs: Sequence[Pair]) -> list[str]:
    """Return in two sentences whether the aim is met, and why it is not."""
    clear = [pair for pair in pairs if abs(np.log(pair.measured)) > sure_log(fits)]
    right, sure = sum(pair.is_right for pair in pairs), sum(pair.is_right for pair in clear)
    again = best_signs(np.log([pair.measured for pair in pairs]), run_scatter(fits))[1].mean()
    met = "is met" if right >= _AIM * len(pairs) else "is not met"
    return [
        f"**The aim, {100 * _AIM:.0f} % of the pairs, {met}: {right} of {len(pairs)} ({100 * right / len(pairs):.0f} %), and {sure} of the {len(clear)} ({100 * sure / len(clear):.0f} %) that are clear of the noise.**",
        f"Measuring the same pairs once more would itself agree with the first time in {again:.0f} of {len(pairs)}, so that there is next to no room above the aim; and",
        "once Qwen3 235B is left out, all that is known of the common kernel of 8-bit experts are 16 runs of Qwen3 Coder 480B, served in another way.",
        "",
    ]


def ceiling(fits: Fits, pairs: Sequence[Pair], halved: Sequence[Pair]) -> list[str]:
    """Return in words how many signs anybody could have right, of the pairs and of all with those on half the chips."""
    ratios = np.log([pair.measured for pair in pairs])
    truth, again = best_signs(ratios, run_scatter(fits))
    count = len(pairs)
    aim = int(np.ceil(_AIM * count))
    generator = np.random.default_rng(0)
    needed = [
        f"{100 * error:.0f} %: {np.mean((np.sign(ratios + generator.normal(0, error, (_DRAWS, count))) == np.sign(ratios)).sum(axis=1)):.1f}"
        for error in _ERRORS
    ]
    low, high = np.quantile(truth, [0.05, 0.95])
    together = np.log([pair.measured for pair in (*pairs, *halved)])
    all_truth, all_again = (found.mean() for found in best_signs(together, run_scatter(fits)))
    own = np.std([np.log(pair.predicted / pair.measured) for pair in pairs if pair.is_alike])
    return [
        f"**How many of the {count} anybody could have.** The scatter of single runs (drawn {_DRAWS:,} times, tails and all) put on every pair: who knew each",
        f"true ratio would have **{truth.mean():.1f} ({100 * truth.mean() / count:.0f} %)** of the measured signs, {low:.0f} to {high:.0f} in nine cases of ten; measuring the same pairs **once more would",
        f"agree with the first time in {again.mean():.1f} ({100 * again.mean() / count:.0f} %)**, and reach the aim of {100 * _AIM:.0f} % ({aim}) with probability {np.mean(again >= aim):.2f}. A forecast whose ratios err",
        f"independently has, by its standard deviation: {'; '.join(needed)}. That of ours is {100 * own:.0f} % (shared alike), and its errors go together within a place.",
        f"Of all {len(together)}: {all_truth:.0f} ({100 * all_truth / len(together):.0f} %) with the truth known, {all_again:.0f} ({100 * all_again / len(together):.0f} %) by measuring again.",
        "",
    ]


def wrong(fits: Fits, pairs: Sequence[Pair]) -> list[str]:
    """Return a table of the pairs whose sign is foreseen wrongly."""
    limit = sure_log(fits)
    found = sorted((p for p in pairs if not p.is_right), key=lambda p: (p.place, p.batch))
    lines = [
        "| foreseen wrongly | batch | measured | predicted | calibrated | noise alone may do it |",
        "|---|---|---|---|---|---|",
    ]
    for pair in found:
        noisy = "yes" if abs(np.log(pair.measured)) <= limit else "no"
        cells = [f"{pair.group}, {pair.place}", f"{pair.batch:.0f}", f"{pair.measured:.2f}", f"{pair.predicted:.2f}"]
        lines.append(f"| {' | '.join([*cells, f'{pair.calibrated:.2f}', noisy])} |")
    return lines


def _twice(fits: Fits, number: int) -> int | None:
    """Return a run like this one, of the same precision and twice the batch."""
    table = fits.table
    for other in map(int, np.flatnonzero(table.narrow == table.narrow[number])):
        if is_sibling(fits, number, other) and _TWICE[0] < table.batch[other] / table.batch[number] < _TWICE[1]:
            return other
    return None


def ranking(fits: Fits, pairs: Sequence[Pair]) -> list[str]:
    """Return in words whether it is predicted which saves more, FP8 or twice the batch, and the order of all four choices."""
    measured, predicted = fits.table.energy_j, fits.table.energy_j * np.exp(-fits.held_out)
    found = [(pair, larger) for pair in pairs if (larger := _twice(fits, pair.wide)) is not None]
    four = [(p.wide, p.narrow, larger, both) for p, larger in found if (both := _twice(fits, p.narrow)) is not None]
    shares = np.array(
        [
            [energy[larger] / energy[pair.wide] for energy in (measured, predicted)] + [pair.measured, pair.predicted]
            for pair, larger in found
        ]
    )
    won = shares[:, 0] < shares[:, 2]
    right = int((won == (shares[:, 1] < shares[:, 3])).sum())
    compared = [
        (measured[a] < measured[b]) == (predicted[a] < predicted[b]) for runs in four for a, b in combinations(runs, 2)
    ]
    best = sum(
        runs[int(np.argmin(measured[list(runs)]))] == runs[int(np.argmin(predicted[list(runs)]))] for runs in four
    )
    middle = np.median(shares, axis=0)
    return [
        f"In {len(found)} pairs a run at twice the batch exists. Doubling the batch saves more than FP8 in {int(won.sum())} of them;",
        f"which of the two saves more is predicted rightly in **{right} ({100 * right / len(found):.0f} %)**: an easy question. How much, in the median: twice the",
        f"batch costs {middle[0]:.2f} of the joules (predicted: {middle[1]:.2f}), FP8 {middle[2]:.2f} ({middle[3]:.2f}). Harder: of the four choices, BF16 or FP8 at one batch or at twice",
        f"as much (all four measured {len(four)} times), the cheapest is foreseen in **{best} ({100 * best / len(four):.0f} %)**, and of all {len(compared)} comparisons of two of them",
        f"**{sum(compared)} ({100 * sum(compared) / len(compared):.0f} %)** are ranked as measured. Held out, as everything here.",
    ]
