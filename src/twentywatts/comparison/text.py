"""A comparison as words: how a number of the table is written, and the plain-text table itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from twentywatts.comparison.result import Baseline, Comparison, Role, Row
from twentywatts.errors import clean
from twentywatts.uncertain import Interval
from twentywatts.units import format_interval, format_si

__all__ = [
    "accuracy_mark",
    "accuracy_text",
    "evidence_words",
    "is_share",
    "metric_text",
    "plain_table",
    "points_text",
    "ratio_interval_text",
    "ratio_text",
    "setting_text",
]

_SETTING_WORDS = {"timesteps": "T={}", "adc_bits": "{}-bit ADC", "slices": "slices {}", "precision": "{}"}
_SETTING_WORDS |= {"training": "training {}"}
_SETTING_WORDS |= {"weight_bits": "{}-bit weights", "input_bits": "{}-bit inputs"}
_IMPLIED = {("precision", "fp32"), ("precision", "int8")}  # the names of the forms float and int8 say it
_METRICS = {"f1": "F1 score", "mean-error": "mean error"}
_SHARES = re.compile("(acc|accuracy|top|topk|f1|balanced)(score)?(?![a-z])")  # whole words: `accumulated` is none
_MARKS = {True: "✓", False: "✗", None: "?"}
_HEADERS = ("machine", "form", "accuracy", "energy per inference (90 %)", "against reference", "latency", "evidence")


def setting_text(setting: Mapping[str, int | float | str]) -> str:
    """Return a setting for people: ``{"timesteps": 4}`` is ``T=4``."""
    return ", ".join(_setting_words(key, value) for key, value in setting.items() if (key, value) not in _IMPLIED)


def _setting_words(key: str, value: float | str) -> str:
    if (key, value) == ("adc_bits", 0):
        return "no ADC"
    words = _SETTING_WORDS.get(key)
    return words.format(clean(value)) if words else f"{clean(key).replace('_', ' ')} {clean(value)}"


def accuracy_mark(keeps_accuracy: bool | None) -> str:
    """Return ✓ (keeps), ✗ (does not) or ? (too few samples to tell)."""
    return _MARKS[keeps_accuracy]


def accuracy_text(accuracy: float | None, metric: str) -> str:
    """Return a metric for people: a share as per cent with one decimal, an error with three digits, – for none."""
    if accuracy is None:
        return "–"
    return f"{100 * accuracy:.1f} %" if is_share(metric) else f"{accuracy:.3g}"


def metric_text(metric: str) -> str:
    """Return a metric's name for a sentence: ``f1`` is ``F1 score``, ``top-5`` is ``top-5 accuracy``."""
    return f"{metric} accuracy" if metric.startswith("top-") else _METRICS.get(metric, clean(metric))


def evidence_words(level: str, guessed_frac: float) -> str:
    """Return the evidence, and at L0 how much of the joules is guessed: ``L0 23 %``."""
    share = f"{100 * guessed_frac:.0f}" if guessed_frac >= 0.005 else "<1"
    return f"{level} {share} %" if level == "L0" else level


def points_text(drop: float, metric: str) -> str:
    """Return a difference of a metric: ``0.013`` of a share is ``1.3 points``."""
    if not is_share(metric):
        return f"{drop:.3g}"
    points = f"{100 * drop:.2g}"
    return f"{points} point" if points == "1" else f"{points} points"


def is_share(metric: str) -> bool:
    """Tell metrics that are shares, 0 to 1, where more is better, from errors and functions of a user's own."""
    return bool(_SHARES.match(metric.lower()))


def ratio_text(ratio: float) -> str:
    """Return an energy ratio in words: 0.05 is ``20× less``, 3 is ``3× more``."""
    if ratio <= 0:
        return "nothing"
    word = "less" if ratio < 1 else "more"
    factor = _rounded(max(ratio, 1 / ratio))
    return "the same" if factor == "1" else f"{factor}× {word}"


def ratio_interval_text(interval: Interval) -> str:
    """Return the bounds of a ratio in the direction of its mid value, ``8–31×``; a third digit where two are alike."""
    if interval.low <= 0 or interval.low == interval.high:
        return ""
    bounds = ratio_text(interval.low), ratio_text(interval.high)
    if bounds == ("the same", "the same"):
        return ""
    if (interval.low - 1) * (interval.high - 1) < 0:
        return f"{bounds[0]} to {bounds[1]}"
    ends = sorted(max(end, 1 / end) for end in (interval.low, interval.high))
    pairs = ([_rounded(end, digits) for end in ends] for digits in (2, 3))
    return next((f"{low}–{high}×" for low, high in pairs if low != high), "")


def _rounded(value: float, digits: int = 2) -> str:
    return f"{float(f'{value:.{digits}g}'):,.10g}"


def plain_table(comparison: Comparison) -> str:
    """Return the comparison as aligned plain text: rows, baselines, refusals, what is not covered."""
    metric = comparison.data.metric
    rows = [_cells(row, metric) for row in comparison.rows]
    lines = [f"{clean(comparison.model.name)} on {clean(comparison.data.name)}: {clean(comparison.data.split)}", ""]
    lines += [clean(comparison.chance), ""] if comparison.chance else []
    lines += _aligned([_HEADERS, *rows])
    lines += ["", _marks(comparison), "L0 n %: n % of the joules rest on guesses   L1: all modelled from cited figures"]
    lines += _section("Baselines on the same processor", (_baseline(item, metric) for item in comparison.baselines))
    refused = (f"{clean(item.machine)}: {clean(item.reason)}" for item in comparison.refused)
    lines += _section("Refused", refused)
    lines += _section("What to know", (clean(note) for note in comparison.notes))
    return "\n".join(lines)


def _marks(comparison: Comparison) -> str:
    metric, limit = comparison.data.metric, points_text(comparison.max_drop, comparison.data.metric)
    return f"✓ keeps the {metric_text(metric)} within {limit}   ✗ does not   ? too few samples to tell"


def _cells(row: Row, metric: str) -> tuple[str, ...]:
    energy = row.ledger.energy_j.interval
    against = {Role.REFERENCE: "reference", Role.YARDSTICK: "yardstick"}.get(row.role, ratio_text(row.ratio.mid))
    mark = accuracy_mark(row.keeps_accuracy) if row.role is Role.CANDIDATE else ""
    return (
        clean(row.machine),
        f"{row.form} {setting_text(row.setting)}".strip(),
        f"{accuracy_text(row.accuracy, metric)} {mark}".strip(),
        format_interval(energy.low, energy.mid, energy.high, "J"),
        against,
        format_si(row.ledger.latency_s.mid, "s"),
        evidence_words(row.ledger.evidence.label, row.ledger.guessed_frac),
    )


def _baseline(baseline: Baseline, metric: str) -> str:
    verdict = {True: "good enough", False: "not good enough", None: "too few samples to tell"}[baseline.good_enough]
    energy = format_si(baseline.ledger.energy_j.mid, "J")
    return f"{clean(baseline.name)}: {accuracy_text(baseline.accuracy, metric)}, {energy}; {verdict}"


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cells[column]) for cells in table) for column in range(len(table[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in table
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _section(title: str, items: Iterable[str]) -> list[str]:
    found = [f"  {item}" for item in items]
    return ["", title, *found] if found else []
