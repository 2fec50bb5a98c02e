"""Units: the one place where a number changes its scale, at load and at print."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from twentywatts.errors import InputError

__all__ = [
    "DAY_S",
    "HOUR_S",
    "YEAR_S",
    "convert",
    "dimension_of",
    "format_count_interval",
    "format_interval",
    "format_si",
    "format_time_interval",
    "parse_quantity",
    "to_base",
    "unit_of_key",
]

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
YEAR_S = 365 * DAY_S

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
    "d": ("time", 86_400.0),
    "yr": ("time", 8760 * 3600.0),  # the year of energy statistics: 365 days
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
    "g": ("mass", 1e-3),
    "t": ("mass", 1e3),
    "lb": ("mass", 0.45359237),  # by definition; emissions in the US are told in it
    "L": ("volume", 1e-3),
    "m3": ("volume", 1.0),
    "USD": ("money", 1.0),
}
_COUNTS = (
    "FLOP FLOPS OP OPS op ops MAC MACs count conversion access event synop spike hop update inference step sample "
    "image token neuron core row column cell read write message kernel"
).split()
_SYMBOLS |= dict.fromkeys(_COUNTS, ("count", 1.0))

_BARE = ("nm", "1", "%", "min", "h", "d", "yr", "m3", "USD")  # taken as they are, without a prefix

# the suffix of a key tells the SI unit of its value; the first match wins
_SUFFIXES = (
    ("_j_per_byte", "J/byte"),
    ("_bytes_per_s", "byte/s"),
    ("_kg_per_j", "kg/J"),
    ("_m3_per_j", "m3/J"),
    ("_usd_per_j", "USD/J"),
    ("_usd_per_s", "USD/s"),
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
    ("_kg", "kg"),
    ("_m3", "m3"),
    ("_usd", "USD"),
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


def to_base(value: float, unit: str) -> float:
    """Return ``value`` in the base unit of its dimension (J, W, s, kg, m3, USD): ``to_base(1, "kWh") == 3.6e6``."""
    return value * _parse(unit)[1]


_QUANTITY = re.compile(r"([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([^\s\d].*)?")
_COUNT_SCALES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
_EXAMPLES = {"J": "41GWh", "W": "120MW", "s": "2s, 14d or 1yr", "1": "70e9, 70B (for 1e9) or 2T (for 1e12)"}


def parse_quantity(text: str, to: str) -> float:
    """Return what a person wrote, in the SI unit ``to``: ``parse_quantity("41GWh", "J") == 1.476e14``.

    A unit must stand there and must measure the same thing, so W and Wh are never taken for each other; a count
    (``to="1"``) takes k, M, G or B, and T. The number must be finite and positive. Raises InputError.
    """
    wanted = f"wanted a quantity such as {_EXAMPLES.get(to, f'1 {to}')}"
    found = _QUANTITY.fullmatch(text.strip()) if len(text) <= _LONGEST_TEXT else None
    if not found:
        text = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
        raise InputError(f"cannot read '{text}' as a quantity; {wanted}")
    number, unit = float(found[1].replace("_", "")), (found[2] or "").strip()
    if to == "1":
        if unit not in _COUNT_SCALES:
            raise InputError(f"'{text}': a count has no unit '{unit}'; {wanted}")
        value = number * _COUNT_SCALES[unit]
    elif not unit:
        raise InputError(f"'{text}' has no unit; {wanted}")
    else:
        value = _with_unit(text, number, unit, to=to)
    if not (0 < value < _LARGEST):
        raise InputError(f"'{text}' must be a positive, finite quantity; {wanted}")
    return value


def dimension_of(text: str) -> str:
    """Return what a written quantity measures: ``dimension_of("120MW") == "power"``; empty where it cannot be read."""
    found = _QUANTITY.fullmatch(text.strip()) if len(text) <= _LONGEST_TEXT else None
    try:
        return _parse(found[2].strip())[0][0] if found and found[2] else ""
    except InputError:
        return ""


_LARGEST = 1e60
_LONGEST_TEXT = 60
_NAMES = {
    ("energy",): "an energy",
    ("power",): "a power",
    ("time",): "a time",
    ("energy", "time"): "an energy per time",
}
_NAMES |= {
    ("power", "time"): "a power per time",
    ("count",): "a count",
    ("mass",): "a mass",
    ("data",): "an amount of data",
}


def _with_unit(text: str, number: float, unit: str, *, to: str) -> float:
    """Return the number in ``to``; an error names what was given: a power is no energy."""
    have, want = _parse(unit)[0], _parse(to)[0]
    if have != want:
        given, asked = (_NAMES.get(kind, "/".join(kind)) for kind in (have, want))
        raise InputError(f"'{text}' is {given}, and {asked} is wanted, such as {_EXAMPLES.get(to, to)}")
    return convert(number, unit, to)


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
    """Return mid with its interval in one scale: ``"19 µJ (11–42)"``, ``"95.2 J (95.1–95.3)"``.

    The bounds have two digits, or as many as it takes to tell them apart and to lie around what is shown of mid; where
    four do not tell them apart, there are none.
    """
    if low == mid == high or not all(map(math.isfinite, (low, mid, high))):
        return format_si(mid, unit)
    factor, prefix = _scale(mid if mid else high)
    shown = _digits(mid / factor)
    pairs = [(_digits(low / factor, digits), _digits(high / factor, digits)) for digits in (2, 3, 4)]
    apart = [pair for pair in pairs if pair[0] != pair[1]]
    around = [pair for pair in apart if _is_around(*pair, shown)]
    between = " ({}–{})".format(*(around or apart)[0]) if apart else ""
    return f"{shown} {_prefixed(prefix, unit)}{between}"


def _is_around(low: str, high: str, mid: str) -> bool:
    """Return whether a number as it is shown lies between its bounds as they are: 31.9 does not in 32 to 34."""
    return float(low) <= float(mid) <= float(high)


_TIMES = (
    (2 * YEAR_S, YEAR_S, "years"),
    (2 * DAY_S, DAY_S, "days"),
    (2 * HOUR_S, HOUR_S, "h"),
    (120.0, 60.0, "min"),
)
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_COUNTS_IN_WORDS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


def format_time_interval(low: float, mid: float, high: float) -> str:
    """Return a time in seconds as people say it: ``"35.5 days (22–61)"``; below two minutes with an SI prefix."""
    for least, factor, name in _TIMES:
        if mid >= least:
            return _named(low / factor, mid / factor, high / factor, name)
    return format_interval(low, mid, high, "s")


def format_count_interval(low: float, mid: float, high: float) -> str:
    """Return a count in words: ``"1.29 million (1–1.6)"``, ``"25,000"``, ``"8.4 × 10²³"``."""
    for factor, name in _COUNTS_IN_WORDS:
        if factor * 0.9995 <= mid < 1e15:
            return _named(low / factor, mid / factor, high / factor, name)
    if mid >= 1e15 or 0 < mid < 1e-6:
        return _in_powers(low, mid, high)
    return _named(low, mid, high, "")


def _in_powers(low: float, mid: float, high: float) -> str:
    """Return a number far from one as a power of ten that its bounds share: ``"8.4 × 10²³ (5.1–12 × 10²³)"``."""
    exponent = int(f"{mid:.2e}".partition("e")[2])
    power = f"× 10{str(exponent).translate(_RAISED)}"
    low, mid, high = (value / 10.0**exponent for value in (low, mid, high))
    first = f"{_grouped(mid, 3)} {power}"
    return first if low == mid == high else f"{first} ({_grouped(low, 2)}–{_grouped(high, 2)} {power})"


def _named(low: float, mid: float, high: float, name: str) -> str:
    """Return a number, its name and its bounds."""
    if low == mid == high:
        return f"{_grouped(mid, 6 if not name and mid == round(mid) else 3)} {name}".strip()
    first = f"{_grouped(mid, 3)} {name}".strip()
    digits = 2 if _is_around(f"{low:.2g}", f"{high:.2g}", f"{mid:.3g}") else 3
    return f"{first} ({_grouped(low, digits)}–{_grouped(high, digits)})"


def _grouped(value: float, digits: int) -> str:
    """Return a number with thousands grouped; one that no words are left for as the computer writes it."""
    if value >= 1e15 or 0 < value < 1e-6:
        return f"{value:.{digits}g}"
    return f"{Decimal(f'{value:.{digits}g}'):,f}"
