"""Units against pint, an independent implementation."""

from __future__ import annotations

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.errors import InputError
from twentywatts.units import convert

REGISTRY = pint.UnitRegistry()
REGISTRY.define("datum = [data]")  # pint takes its bit for a bare number; here bits and counts do not mix
REGISTRY.define("octet_of_data = 8 datum")
COUNTS = ("MAC", "FLOP", "OP", "op", "synop", "spike", "inference", "token")
for name in COUNTS:
    REGISTRY.define(f"{name} = 1")

PREFIXES = {"": "", "f": "femto", "p": "pico", "n": "nano", "u": "micro", "µ": "micro", "m": "milli", "k": "kilo"}
PREFIXES |= {"M": "mega", "G": "giga", "T": "tera", "P": "peta"}
BASES = {
    "J": "joule",
    "W": "watt",
    "s": "second",
    "b": "datum",
    "bit": "datum",
    "B": "octet_of_data",
    "Wh": "watt_hour",
}
BASES |= dict.fromkeys(COUNTS)  # type: ignore[arg-type]  # a count bears its own name in pint
BINARY = {"Ki": "kibi", "Mi": "mebi", "Gi": "gibi", "Ti": "tebi"}
PLAIN = {"min": "minute", "h": "hour", "byte": "octet_of_data", "bytes": "octet_of_data", "bits": "datum"}

Pair = tuple[str, str]  # our spelling, pint's


def _symbols() -> dict[str, list[Pair]]:
    """Our spelling and pint's, by dimension."""
    pairs = [(p + b, f"{long}{name or b}") for p, long in PREFIXES.items() for b, name in BASES.items()]
    pairs += [(p + "B", long + "octet_of_data") for p, long in BINARY.items()] + list(PLAIN.items())
    found: dict[str, list[Pair]] = {}
    for ours, theirs in pairs:
        found.setdefault(str(REGISTRY.parse_units(theirs).dimensionality), []).append((ours, theirs))
    return found


SYMBOLS = _symbols()
values = st.floats(min_value=1e-6, max_value=1e6)
kinds = st.sampled_from(sorted(SYMBOLS))


def symbol(kind: str) -> st.SearchStrategy[Pair]:
    return st.sampled_from(SYMBOLS[kind])


@st.composite
def compound(draw: st.DrawFn) -> tuple[Pair, Pair]:
    """Two spellings of one compound unit such as pJ/bit and J/byte."""
    top = draw(kinds)
    below = draw(st.lists(kinds, max_size=2))
    one, two = draw(symbol(top)), draw(symbol(top))
    for kind in below:
        lower, other = draw(symbol(kind)), draw(symbol(kind))
        one = (f"{one[0]}/{lower[0]}", f"{one[1]}/{lower[1]}")
        two = (f"{two[0]}/{other[0]}", f"{two[1]}/{other[1]}")
    return one, two


@given(value=values, units=compound())
def test_conversion_agrees_with_pint(value: float, units: tuple[Pair, Pair]) -> None:
    (ours, theirs), (to, their_target) = units
    wanted = REGISTRY.Quantity(value, theirs).to(their_target).magnitude
    assert convert(value, ours, to) == pytest.approx(wanted, rel=1e-9)


@given(value=values, units=compound())
def test_there_and_back_changes_nothing(value: float, units: tuple[Pair, Pair]) -> None:
    (one, _), (two, _) = units
    assert convert(convert(value, one, two), two, one) == pytest.approx(value, rel=1e-12)


@given(one=kinds.flatmap(symbol), two=kinds.flatmap(symbol))
def test_what_pint_cannot_convert_is_refused(one: Pair, two: Pair) -> None:
    if REGISTRY.parse_units(one[1]).is_compatible_with(two[1]):
        convert(1.0, one[0], two[0])
    else:
        with pytest.raises(InputError):
            convert(1.0, one[0], two[0])
