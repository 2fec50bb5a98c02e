"""Units: the one place where a number changes its scale, at load and at print."""

from __future__ import annotations

import math
from decimal import Decimal

from twentywatts.errors import InputError

__all__ = ["convert", "format_interval", "format_si", "unit_of_key"]

_PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "": 1.0}
_PREFIXES |= {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_PREFIXES |= {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}

# symbol: (dimension, factor to the base unit of that dimension)
_SYMBOLS = {
    "J": ("energy", 1.0),
    "Wh": ("energy", 3600.0),
    "W": ("power", 1.0),
    "s": ("time", 1.0),
    "min": ("time", 60.0),
    "h": ("time", 3600.0),
    "B": ("data", 1.0),
    "byte": ("data", 1.0),
    "bytes": ("data", 1.0),
    "b": ("data", 0.125),
    "bit": ("data", 0.125),
    "bits": ("data", 0.125),
    "Hz": ("rate", 1.0),
    "nm": ("process", 1.0),
    "1": ("count", 1.0),
    "%": ("count", 0.01),
}
_COUNTS = (
    "FLOP FLOPS OP OPS op ops MAC MACs count conversion access event synop spike hop update inference step sample "
    "image token neuron core row column cell read write message kernel"
).split()
_SYMBOLS |= dict.fromkeys(_COUNTS, ("count", 1.0))

_BARE = ("nm", "1", "%", "min", "h")  # taken as they are, without a prefix

# the suffix of a key tells the SI unit of its value; the first match wins
_SUFFIXES = (
    ("_j_per_byte", "J/byte"),
    ("_bytes_per_s", "byte/s"),
    ("_flop_per_s", "FLOP/s"),
    ("_op_per_s", "OP/s"),
    ("_per_s", "1/s"),
    ("_op_per_j", "1/J"),
    ("_energy_j", "J"),
    ("_j", "J"),
    ("_power_w", "W"),
    ("_w", "W"),
    ("_s", "s"),
    ("_bytes", "byte"),
    ("_bits", "bit"),
    ("_nm", "nm"),
    ("_frac", "1"),
    ("_count", "1"),
)
_SCALES: tuple[tuple[float, str], ...] = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
)
_SCALES += ((1e-9, "n"), (1e-12, "p"), (1e-15, "f"))


def unit_of_key(key: str) -> str:
    """Return the SI unit that the suffix of a key promises: ``unit_of_key('static_power_w') == 'W'``."""
    for suffix, unit in _SUFFIXES:
        if key.endswith(suffix):
            return unit
    return "1"


def _part(text: str) -> tuple[str, float]:
    """Return (dimension, factor) of one symbol with its prefix."""
    if text in _SYMBOLS:
        return _SYMBOLS[text]
    for cut in (1, 2):
        prefix, symbol = text[:cut], text[cut:]
        if prefix in _PREFIXES and symbol in _SYMBOLS and symbol not in _BARE:
            dimension, factor = _SYMBOLS[symbol]
            return dimension, factor * _PREFIXES[prefix]
    raise InputError(f"unknown unit '{text}' (write for example pJ, W, us, GB/s, pJ/bit, TFLOP/s)")


def _parse(unit: str) -> tuple[tuple[str, ...], float]:
    """Return the dimensions above and below the bar, and the factor to base units."""
    top, *below = [part.strip() for part in unit.strip().split("/")]
    dimension, factor = _part(top)
    above, under = [dimension], []
    for part in below:
        dimension, scale = _part(part)
        factor /= scale
        under.append(dimension)
    if "rate" in above:
        above, under = ["count"], [*under, "time"]
    if above == ["power"] and "rate" in under:  # W/Hz is J
        above, under = ["energy"], [d for d in under if d != "rate"]
    return ("*".join(above), *sorted(d for d in under if d != "count")), factor


def convert(value: float, unit: str, to: str) -> float:
    """Return ``value`` given in ``unit`` expressed in ``to``; raises InputError where the dimensions differ.

    ``convert(3.9, "pJ/bit", "J/byte") == 3.12e-11``.
    """
    have, factor = _parse(unit)
    want, target = _parse(to)
    if have != want:
        raise InputError(f"a value in '{unit}' cannot be given where '{to}' is wanted")
    return value * factor / target


def _scale(value: float) -> tuple[float, str]:
    size = abs(value)
    for factor, prefix in _SCALES:
        if size >= factor * 0.9995:
            return factor, prefix
    return _SCALES[-1]


def _digits(value: float, digits: int = 3) -> str:
    text = f"{value:.{digits}g}"
    return f"{Decimal(text):f}" if "e" in text else text


def _prefixed(prefix: str, unit: str) -> str:
    """Return a unit with its prefix: ``GB/s``, not ``Gbyte/s``."""
    return prefix + (unit.replace("byte", "B", 1) if prefix and unit.startswith("byte") else unit)


def format_si(value: float, unit: str, digits: int = 3) -> str:
    """Return a number for people with an SI prefix: ``format_si(1.9e-5, "J") == "19 µJ"``."""
    if value == 0 or not math.isfinite(value):
        return f"{'0' if value == 0 else '?' if math.isnan(value) else value} {unit}"
    factor, prefix = _scale(value)
    return f"{_digits(value / factor, digits)} {_prefixed(prefix, unit)}"


def format_interval(low: float, mid: float, high: float, unit: str) -> str:
    """Return mid with its interval in one scale: ``"19 µJ (11–42)"``; two digits for the bounds."""
    if low == mid == high or not all(map(math.isfinite, (low, mid, high))):
        return format_si(mid, unit)
    factor, prefix = _scale(mid if mid else high)
    return f"{_digits(mid / factor)} {_prefixed(prefix, unit)} ({_digits(low / factor, 2)}–{_digits(high / factor, 2)})"
