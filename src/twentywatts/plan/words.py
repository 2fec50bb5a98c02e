"""Quantities for people: the unit follows from the suffix of the key, and energy is never told in watts."""

from __future__ import annotations

from twentywatts.plan.result import Amount
from twentywatts.uncertain import Interval
from twentywatts.units import (
    convert,
    format_count_interval,
    format_interval,
    format_time_interval,
    unit_of_key,
)

__all__ = ["amount_text", "count_text", "quantity_text"]

_SHOWN = {"J": "Wh", "m3": "L", "kg": "g", "kg/J": "g/kWh", "m3/J": "L/kWh", "USD/J": "USD/kWh", "USD/s": "USD/h"}
_TONNE_G = 1e6
_KILOS_G_PER_KWH = 1e4  # of what is made by its capacity, such as a battery
_NEXT_TO_NONE = 1e-4  # of a share without an interval: less is told as less than that
_SMALL_J = 360.0  # a tenth of a Wh: below it joules read better


def quantity_text(key: str, interval: Interval) -> str:
    """Return a quantity with its interval: ``1.3 GWh (0.9–2.1)`` for a key that ends in ``_energy_j``."""
    low, mid, high = interval.low, interval.mid, interval.high
    if key.endswith("chip_time_s"):
        return f"{format_count_interval(low / 3600, mid / 3600, high / 3600)} chip-hours"
    for suffix, text in _BY_SUFFIX.items():
        if key.endswith(suffix):
            return text(low, mid, high)
    return _with_unit(unit_of_key(key), low, mid, high)


def _with_unit(unit: str, low: float, mid: float, high: float) -> str:
    """Return a quantity in the unit that people know: Wh for J, litres, grams or tonnes."""
    if unit == "1":
        return format_count_interval(low, mid, high)
    shown = "J" if unit == "J" and mid < _SMALL_J else _SHOWN.get(unit, unit)
    low, mid, high = (convert(value, unit, shown) for value in (low, mid, high))
    if shown == "g" and mid >= _TONNE_G:
        return format_interval(low / _TONNE_G, mid / _TONNE_G, high / _TONNE_G, "t")
    if shown == "g/kWh" and mid >= _KILOS_G_PER_KWH:
        low, mid, high, shown = low / 1e3, mid / 1e3, high / 1e3, "kg/kWh"
    if unit == "USD" or ("/" in shown and unit in _SHOWN):
        return f"{format_count_interval(low, mid, high)} {shown}"
    return format_interval(low, mid, high, shown)


def _share(low: float, mid: float, high: float) -> str:
    if high > 1.5:
        return format_count_interval(low, mid, high)
    if low == mid == high:
        return f"{100 * mid:.3g} %" if not 0 < mid < _NEXT_TO_NONE else f"<{100 * _NEXT_TO_NONE:g} %"
    return f"{100 * mid:.3g} % ({100 * low:.2g}–{100 * high:.2g})"


def _nats(low: float, mid: float, high: float) -> str:
    return f"{mid:.4g}" if low == mid == high else f"{mid:.4g} ({low:.3g}–{high:.3g})"


def _percent(low: float, mid: float, high: float) -> str:
    """Return a share that may be above one: ``41 %``, ``138 %``."""
    return f"{100 * mid:.3g} %" if low == mid == high else f"{100 * mid:.3g} % ({100 * low:.2g}–{100 * high:.2g})"


def _watt_hours(low: float, mid: float, high: float) -> str:
    """Return joules as watt-hours however few they are: a scale has one unit."""
    return format_interval(convert(low, "J", "Wh"), convert(mid, "J", "Wh"), convert(high, "J", "Wh"), "Wh")


def count_text(value: float) -> str:
    """Return a count in words: ``70 billion``."""
    return format_count_interval(value, value, value)


def amount_text(amount: Amount) -> str:
    """Return an amount of a plan with its interval."""
    return quantity_text(amount.key, amount.interval)


# the first suffix that a key ends in decides; any other key is told in the unit of its suffix
_BY_SUFFIX = {"_frac": _share, "_nats": _nats, "time_s": format_time_interval}
_BY_SUFFIX |= {"rebound_ratio": _percent, "request_energy_j": _watt_hours}
