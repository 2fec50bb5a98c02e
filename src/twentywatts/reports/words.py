"""What a comparison document says, in sentences: shared by the terminal table and the page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from twentywatts.comparison.text import (
    accuracy_text,
    evidence_words,
    metric_text,
    points_text,
    ratio_interval_text,
    ratio_text,
    setting_text,
)
from twentywatts.errors import clean
from twentywatts.reports.always_on import title_inside, use_text
from twentywatts.uncertain import Interval
from twentywatts.units import format_interval, format_si

__all__ = [
    "BASELINE_CALL",
    "CAUSES",
    "EVIDENCE",
    "baseline_sentence",
    "candidates",
    "cause_name",
    "cause_shares",
    "cheapest",
    "command_text",
    "evidence_legend",
    "evidence_text",
    "form_text",
    "heading",
    "headline",
    "interval_text",
    "keeps_words",
    "main_causes",
    "order_text",
    "quantity_text",
    "ratio_words",
    "reference_row",
    "scenario_text",
    "yardstick",
]

Record = Mapping[str, Any]

CAUSES = {
    "compute": "arithmetic, synaptic events, array reads",
    "memory": "moving weights and activations",
    "communication": "spikes and data between cores and chips",
    "conversion": "analog to digital and back",
    "static": "powered, whatever it does: leakage, clocks, idle",
    "host": "the computer around the chip",
    "cooling": "cooling and power distribution of the building",
    "unsplit": "known only as one sum: what a board adds to its chip, what a meter read, the rest of a brain",
}
EVIDENCE = {
    "L0": "that share of the joules rests at least in part on guesses, the others are modelled",
    "L1": "modelled from cited figures",
    "L2": "read from a counter in the chip",
    "L3": "read from a counter of the node",
    "L4": "measured at the wall",
}
BASELINE_CALL = "each one call of the runtime, as the model is; a constant answer costs that call alone"
_CAUSE_NAMES = {"unsplit": "other"}
_KEEPS = {True: "keeps", False: "does not keep", None: "too few samples to tell"}


def cause_name(cause: str) -> str:
    """Return a cause for people: what the document calls unsplit is ``other``."""
    return _CAUSE_NAMES.get(cause, cause)


def main_causes(account: Record) -> list[str]:
    """Return the one or two causes that matter, each with its share: ``static 76 %``."""
    shares = [(cause, share) for cause, share in cause_shares(account) if share >= 0.1][:2]
    return [f"{cause_name(cause)} {100 * share:.0f} %" for cause, share in shares]


def evidence_text(account: Record) -> str:
    """Return the evidence, and at L0 how much of the joules is guessed: ``L0 23 %``."""
    return evidence_words(account["evidence"], account["guessed_frac"])


def evidence_legend(document: Record) -> str:
    """Return what the levels of evidence that occur mean: ``L0 n %: …; L1: …``."""
    seen = sorted({row["evidence"] for row in document["rows"]})
    return "; ".join(f"{level}{' n %' if level == 'L0' else ''}: {EVIDENCE[level]}" for level in seen)


def order_text(document: Record) -> str:
    """Return in which order the rows stand."""
    last = "; the yardstick last" if yardstick(document) else ""
    return f"The reference first, then ✓, then ?, then ✗, each from the least energy to the most{last}."


def keeps_words(keeps_accuracy: bool | None) -> str:
    """Return ``keeps``, ``does not keep`` or ``too few samples to tell``."""
    return _KEEPS[keeps_accuracy]


def interval_text(quantity: Record, unit: str) -> str:
    """Return a quantity with its interval: ``19 µJ (11–42)``."""
    return format_interval(quantity["low"], quantity["mid"], quantity["high"], unit)


def quantity_text(quantity: Record, unit: str) -> str:
    """Return the mid value of a quantity: ``19 µJ``."""
    return format_si(quantity["mid"], unit)


def ratio_words(ratio: Record) -> tuple[str, str]:
    """Return ``("12× less", "8.1–20×")``."""
    return ratio_text(ratio["mid"]), ratio_interval_text(Interval(**ratio))


def form_text(row: Record) -> str:
    """Return form, setting and what is unusual of the machine: ``spiking, T=4, 24 chips``."""
    chips = f"{row['chip_count']:,} chips" if row.get("chip_count", 1) > 1 else ""
    standing = {"macro": "one macro", "design": "never built"}.get(row.get("standing", ""), "")
    return clean(", ".join(text for text in (row["form"], setting_text(row["setting"]), chips, standing) if text))


def reference_row(document: Record) -> Record:
    """Return the row that every ratio is against."""
    found: Record = next(row for row in document["rows"] if row["role"] == "reference")
    return found


def candidates(document: Record) -> list[Record]:
    """Return the rows of the machines that were asked for, in the order of the document."""
    return [row for row in document["rows"] if row["role"] == "candidate"]


def yardstick(document: Record) -> Record | None:
    """Return the brain's row, or None where there is none."""
    return next((row for row in document["rows"] if row["role"] == "yardstick"), None)


def cheapest(document: Record) -> Record | None:
    """Return the whole, built chip that spends least among those that keep the accuracy, or None."""
    keeping = [row for row in candidates(document) if row["keeps_accuracy"] is True and row["standing"] == "chip"]
    return min(keeping, key=lambda row: row["energy_j"]["mid"], default=None)


def cause_shares(account: Record) -> list[tuple[str, float]]:
    """Return (cause, share of the joules at mid), largest first."""
    total = sum(item["energy_j"]["mid"] for item in account["causes"])
    shares = [(item["cause"], item["energy_j"]["mid"] / total) for item in account["causes"] if total > 0]
    return sorted(shares, key=lambda share: -share[1])


def heading(text: object) -> str:
    """Return a text, cleaned, with a large first letter, the others as they are."""
    cleaned = clean(text)
    return cleaned[:1].upper() + cleaned[1:]


def headline(document: Record) -> list[str]:
    """Return the answer in sentences: the cheapest machine, how sure that is, a baseline that does, the yardstick.

    Where the metric says nothing (``chance``) that comes first.
    """
    sentences = [
        clean(document["chance"]) and f"{clean(document['chance'])}.",
        _answer(document),
        _grounds(document),
        _rivals(document),
        _on_paper(document),
        _undecided(document),
        _cheap_baseline(document),
        _brain(document),
    ]
    return [sentence for sentence in sentences if sentence]


def _answer(document: Record) -> str:
    best, metric = cheapest(document), document["data"]["metric"]
    if best is None:
        return _no_answer(document)
    less, bounds = ratio_words(best["ratio"])
    reference = reference_row(document)
    bounds = f" ({bounds})" if bounds else ""
    kept = f"keeps the {metric_text(metric)} at {accuracy_text(best['accuracy'], metric)}"
    energy = f"{interval_text(best['energy_j'], 'J')} per {best['per']}"
    against = f"{less}{bounds} {_than(less)} {reference['form']} on {title_inside(reference['title'])}"
    alone = "Nothing that was asked for spends less than the reference. " if best["ratio"]["mid"] >= 1 else ""
    return f"{alone}{clean(best['title'])}, run as {form_text(best)}, {kept} for {energy}: {against}."


def _grounds(document: Record) -> str:
    """Tell where most of the winner's joules are guessed: a reader of the first sentence alone must know."""
    best = cheapest(document)
    if best is None or best["guessed_frac"] < 0.5:
        return ""
    return f"{100 * best['guessed_frac']:.0f} % of its joules rest at least in part on guessed figures."


def _than(ratio: str) -> str:
    return "as" if ratio == "the same" else "than"


def _no_answer(document: Record) -> str:
    asked = candidates(document)
    metric = document["data"]["metric"]
    name, limit = metric_text(metric), points_text(document["max_drop"], metric)
    if not asked:
        return "No machine was left to compare: every one that was asked for is refused below."
    if any(row["keeps_accuracy"] is None for row in asked):
        count = document["data"]["reported_count"]
        return f"{count:,} samples are too few to show that any machine keeps the {name} within {limit}."
    return f"No machine keeps the {name} within {limit}."


def _rivals(document: Record) -> str:
    """Tell which others could be the cheapest just as well: their interval overlaps that of the winner."""
    best = cheapest(document)
    if best is None:
        return ""
    others = [row for row in candidates(document) if row["keeps_accuracy"] is True and row is not best]
    others = [row for row in others if row["standing"] == "chip"]
    close = [title_inside(row["title"]) for row in others if row["energy_j"]["low"] <= best["energy_j"]["high"]]
    close = list(dict.fromkeys(close))
    if not close:
        return ""
    return f"Its interval overlaps that of {_named(close)}: which of them needs less is not certain."


def _on_paper(document: Record) -> str:
    """Tell which macros and designs would spend less: they are not whole chips, so they do not win."""
    best = cheapest(document)
    limit = best["energy_j"]["mid"] if best else float("inf")
    rows = [row for row in candidates(document) if row["keeps_accuracy"] is True and row["standing"] != "chip"]
    rows = [row for row in rows if row["energy_j"]["mid"] < limit]
    if not rows:
        return ""
    named = _named([f"{clean(row['title'])} ({ratio_words(row['ratio'])[0]})" for row in rows])
    return f"Not counted as chips: {named}, one array without the rest of a chip, or a design that was never built."


def _undecided(document: Record) -> str:
    """Tell which machines spend less, but cannot be shown to keep the accuracy with so few samples."""
    best = cheapest(document)
    limit = best["energy_j"]["mid"] if best else 0.0
    rows = [row for row in candidates(document) if row["keeps_accuracy"] is None and row["energy_j"]["mid"] < limit]
    if not rows:
        return ""
    rows = sorted(rows, key=lambda row: row["energy_j"]["mid"])
    named = _named([f"{clean(row['title'])} ({ratio_words(row['ratio'])[0]})" for row in rows])
    count, metric = document["data"]["reported_count"], metric_text(document["data"]["metric"])
    return f"Less still is spent by {named}, but {count:,} samples are too few to show that the {metric} is kept there."


def _named(names: list[str]) -> str:
    """Return at most three names and how many more there are: ``a, b and c``, ``a, b, c and 2 more``."""
    shown = [*names[:3], f"{len(names) - 3} more"] if len(names) > 3 else names
    return " and ".join(text for text in (", ".join(shown[:-1]), shown[-1]) if text)


def _cheap_baseline(document: Record) -> str:
    good = [item for item in document["baselines"] if item["good_enough"] is True]
    if not good:
        return ""
    best = min(good, key=lambda item: item["energy_j"]["mid"])
    metric = document["data"]["metric"]
    name = clean(best["name"])
    energy = quantity_text(best["energy_j"], "J")
    reached = accuracy_text(best["accuracy"], metric)
    return f"Without any network, {name} is good enough on these data: {reached} for {energy}."


def _brain(document: Record) -> str:
    brain = yardstick(document)
    if brain is None:
        return ""
    time, energy = quantity_text(brain["latency_s"], "s"), quantity_text(brain["energy_j"], "J")
    each = " per inference" if document["scenario"]["batch"] > 1 else ""  # its time is a share of the batch's
    return (
        f"The yardstick: in the {time} that the reference takes{each}, a human brain spends {energy}, "
        "whatever it thinks of."
    )


def baseline_sentence(baseline: Record, document: Record) -> str:
    """Return what a baseline reaches, and whether that is good enough, as one sentence."""
    metric = document["data"]["metric"]
    name = clean(baseline["name"])
    name = name[:1].upper() + name[1:]
    reached = (
        f"{name} reaches {accuracy_text(baseline['accuracy'], metric)} for {interval_text(baseline['energy_j'], 'J')}"
    )
    drop, limit = baseline["accuracy_drop"], points_text(document["max_drop"], metric)
    gap = f"{points_text(abs(drop), metric)} {'worse' if drop > 0 else 'better'} than the model"
    gap = "as good as the model" if drop == 0 else gap
    verdict = {
        True: "good enough: the model may not be needed.",
        False: f"not within {limit}.",
        None: f"too few samples to tell whether that is within {limit}.",
    }[baseline["good_enough"]]
    return f"{reached}, {gap}; {verdict}"


def scenario_text(document: Record) -> str:
    """Return how the model is used: batch, rate, boundary."""
    scenario = document["scenario"]
    rate = scenario["rate_per_s"]
    arrival = (
        "back to back, no idle time charged" if rate is None else f"{rate:g} inferences per second, idle time charged"
    )
    axes = "".join(f", {clean(name)} = {size}" for name, size in scenario["axes"].items())
    return f"batch {scenario['batch']}, {arrival}{use_text(document)}, boundary {scenario['boundary']}{axes}"


def command_text(document: Record) -> str:
    """Return the command that made the document, or an empty text where none is recorded."""
    command = document["run"].get("command", "")
    return clean(shlex.join(str(part) for part in command) if isinstance(command, list) else command)
