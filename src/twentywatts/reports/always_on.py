"""Always on: its record in the document, and what it says in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twentywatts.comparison.always_on import always_on
from twentywatts.comparison.result import Comparison
from twentywatts.errors import clean
from twentywatts.units import convert, format_interval, format_si, format_time_interval

__all__ = [
    "always_on_record",
    "always_on_sentences",
    "days_text",
    "power_text",
    "rate_text",
    "title_inside",
    "use_text",
]

Record = Mapping[str, Any]


def always_on_record(comparison: Comparison) -> dict[str, Any] | None:
    """Return the record of a comparison that was made for a rate, None for one that was not."""
    found = always_on(comparison)
    if found is None:
        return None
    return {
        "rows": [
            {
                "machine": line.machine,
                "title": line.title,
                "form": line.form,
                "family": line.family,
                "competes": line.competes,
                "inferences_per_s": line.inferences_per_s,
                "power_w": line.power_w.as_dict(),
                "battery_days": line.battery_days.as_dict() if line.battery_days else None,
                "curve_w": list(line.curve_w),
            }
            for line in found.lines
        ],
        "rates_per_s": list(found.rates_per_s),
        "changes": [
            {
                "rate_per_s": change.rate_per_s.as_dict(),
                "below": change.below,
                "above": change.above,
                "event_driven_stops": change.event_driven_stops,
            }
            for change in found.changes
        ],
    }


def use_text(document: Record) -> str:
    """Return duty, events and battery of a scenario for the middle of a sentence, or nothing."""
    scenario = document["scenario"]
    parts = []
    if scenario["duty_frac"] != 1.0:
        parts.append(f"awake {100 * scenario['duty_frac']:g} % of the time")
    if scenario["event_rate_per_s"] is not None:
        parts.append(f"{scenario['event_rate_per_s']:g} events per second")
    if scenario["battery_j"] is not None:
        parts.append(f"battery {format_si(convert(scenario['battery_j'], 'J', 'Wh'), 'Wh')}")
    return "".join(f", {part}" for part in parts)


def title_inside(title: str) -> str:
    """Return a machine's title for the middle of a sentence."""
    kind, _, model = clean(title).partition(": ")
    if kind != "This computer":
        return clean(title)
    return f"this computer ({model})" if model else "this computer"


def always_on_sentences(document: Record) -> list[str]:
    """Return who draws least at the asked rate, and at which rates event-driven stops or begins to win."""
    record = document["always_on"]
    rows = [row for row in record["rows"] if row["competes"]]
    if not rows:
        return []
    best = min(rows, key=lambda row: row["power_w"]["mid"])
    days = f", {days_text(best['battery_days'])} of battery" if best["battery_days"] else ""
    found = [f"At the asked rate {title_inside(best['title'])} draws least: {power_text(best['power_w'])}{days}."]
    kinds = {row["family"] == "neuromorphic" for row in rows}
    if len(kinds) < 2:
        return [*found, "There is nothing to change places with: all that compete are of one kind."]
    changes = [_change(change, record) for change in record["changes"]]
    return [*found, *(changes or [_no_change(rows, record)])]


def _change(change: Record, record: Record) -> str:
    rate, ends = change["rate_per_s"], (record["rates_per_s"][0], record["rates_per_s"][-1])
    below, above = (title_inside(record["rows"][change[side]]["title"]) for side in ("below", "above"))
    verb = "stops" if change["event_driven_stops"] else "begins"
    low = f"at most {rate_text(rate['low'])}" if rate["low"] <= ends[0] * 1.01 else rate_text(rate["low"])
    high = f"at least {rate_text(rate['high'])}" if rate["high"] >= ends[1] * 0.99 else rate_text(rate["high"])
    return (
        f"Event-driven {verb} winning at {rate_text(rate['mid'])} inferences per second (90 %: {low} to {high}): "
        f"below, {below} draws least, above, {above}."
    )


def _no_change(rows: Sequence[Record], record: Record) -> str:
    first, last = record["rates_per_s"][0], record["rates_per_s"][-1]
    winner = min(rows, key=lambda row: row["curve_w"][0])
    rates = f"rate from {rate_text(first)} to {rate_text(last)} inferences per second"
    if winner["family"] == "neuromorphic":
        return f"At every {rates} an event-driven machine draws least."
    return f"At no {rates} does an event-driven machine draw least."


def rate_text(value: float) -> str:
    """Return a rate with two digits."""
    return f"{float(f'{value:.2g}'):,.10g}"


def power_text(quantity: Record) -> str:
    """Return a power with its interval."""
    return format_interval(quantity["low"], quantity["mid"], quantity["high"], "W")


def days_text(quantity: Record) -> str:
    """Return how long a battery lasts with its interval, in a unit of time that people use: ``7.5 min (3.5–17)``."""
    return format_time_interval(*(convert(quantity[name], "d", "s") for name in ("low", "mid", "high")))
