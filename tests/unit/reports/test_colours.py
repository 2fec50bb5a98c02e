"""Both schemes of the pages are readable: contrast of every text and every chart colour, after WCAG 2.1."""

from __future__ import annotations

import re

import pytest
from tests.support.repository import PACKAGE

from twentywatts.reports import always_on_views, charts, grid_charts, legends, plan_charts, slim_charts

STYLE = (PACKAGE / "reports" / "style.css").read_text(encoding="utf-8")
AUDIT = (PACKAGE / "reports" / "audit.css").read_text(encoding="utf-8")
MODULES = (always_on_views, charts, grid_charts, legends, plan_charts, slim_charts)
Colour = tuple[float, ...]


def variables(block: str) -> dict[str, Colour]:
    return {name: colour(value) for name, value in re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)}


def colour(text: str) -> Colour:
    return tuple(int(text[place : place + 2], 16) / 255 for place in (1, 3, 5))


def luminance(values: Colour) -> float:
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def turned(values: Colour) -> Colour:
    """Return a colour after invert(.9) hue-rotate(180deg), as Filter Effects Level 1 defines them."""
    amount = float(re.search(r"invert\((\.\d+)\) hue-rotate\(180deg\)", STYLE)[1])  # type: ignore[index]
    inverted = [value * (1 - 2 * amount) + amount for value in values]
    weights = (0.213, 0.715, 0.072)
    grey = sum(weight * value for weight, value in zip(weights, inverted, strict=True))
    return tuple(min(1.0, max(0.0, 2 * grey - value)) for value in inverted)


LIGHT, DARK = (variables(block) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2])


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_is_readable(scheme: dict[str, Colour]) -> None:
    for name in ("ink", "soft", "accent", "yes", "no", "unsure"):
        for under in ("paper", "wash"):
            assert contrast(scheme[name], scheme[under]) >= 4.5, (name, under)
    for name, under in (("ink", "mark"), ("unsure", "mark"), ("no", "mark-no"), ("yes", "mark-yes")):
        assert contrast(scheme[name], scheme[under]) >= 4.5, (name, under)
    for name in ("ink", "soft", "accent"):
        assert contrast(scheme[name], scheme["target"]) >= 4.5, name


def test_the_two_schemes_set_the_same_things_and_nothing_else_has_a_colour() -> None:
    assert LIGHT.keys() == DARK.keys()
    rest = re.sub(r":root \{.*?\}", "", STYLE, flags=re.DOTALL) + AUDIT
    assert re.findall(r"#[0-9a-f]{3,8}\b(?=[^{}]*\})", rest) == []
    assert "@media screen and (prefers-color-scheme: dark)" in STYLE  # paper stays light


def chart_colours() -> set[str]:
    sources = [(PACKAGE / "reports" / f"{module.__name__.rpartition('.')[2]}.py") for module in MODULES]
    return {found for path in sources for found in re.findall(r"#[0-9a-f]{6}", path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", sorted(chart_colours()))
def test_a_chart_reads_in_the_dark_as_it_does_in_the_light(name: str) -> None:
    light = contrast(colour(name), LIGHT["paper"])
    dark = contrast(turned(colour(name)), DARK["paper"])
    assert dark >= min(light, 4.5), (name, light, dark)


def test_letters_of_a_chart_are_readable() -> None:
    assert contrast(turned(colour("#1b1f24")), DARK["paper"]) >= 4.5


def test_the_filter_keeps_grey_grey_and_hues_apart() -> None:
    assert turned((0.5, 0.5, 0.5)) == pytest.approx((0.5, 0.5, 0.5))
    red, _, blue = turned(colour("#1f4e8c"))
    assert blue > red
