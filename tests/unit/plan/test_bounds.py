"""Bounds: whatever a scenario or a caller says, the answer is finite or the error is ours; and no state leaks."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twentywatts as tw
from twentywatts.errors import TwentyWattsError
from twentywatts.figures import Boundary
from twentywatts.plan import TokenCost
from twentywatts.plan.inputs import point
from twentywatts.plan.scenario_file import KEYS, parse_scenario
from twentywatts.reports.plan import plan_document

COST = TokenCost(energy_j=point(0.5), stream_s=point(0.03), streams=64, chips=2, boundary=Boundary.DEVICE, how="given")
CALLS: dict[str, Callable[[], tw.plan.Plan]] = {
    "training": lambda: tw.plan.training(7e9, 1e12, "h100-sxm"),
    "scaling": lambda: tw.plan.scaling(3.6e12, "h100-sxm"),
    "equivalents": lambda: tw.plan.equivalents(3.6e12, time_s=1e6, grid="DE"),
    "fleet": lambda: tw.plan.fleet("world-2025", draws=500),
    "serving": lambda: tw.plan.serving(COST, "h100-sxm", concurrent=1e4, tokens=400),
}
UNITS = {"_w": "W", "_j": "J", "_s": "s"}
NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(10**400), 10**400),
    st.sampled_from([0, -1, 1, 1e29, True, "1", None, [], 1e-300]),
)


@pytest.mark.parametrize("name", CALLS)
def test_two_calls_agree_whatever_ran_between_them(name: str) -> None:
    first = json.dumps(plan_document(CALLS[name]()))
    for call in CALLS.values():
        call()
    assert json.dumps(plan_document(CALLS[name]())) == first


@settings(max_examples=25)
@given(data=st.data())
def test_a_scenario_of_any_numbers_is_answered_or_refused(data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.sampled_from(KEYS), max_size=5, unique=True))
    inputs = {}
    for key in keys:
        unit = next((unit for suffix, unit in UNITS.items() if key.endswith(suffix)), "1")
        entry = {"unit": unit, "where": "x", "value": data.draw(NUMBERS)}
        if data.draw(st.booleans()):
            entry |= {"low": data.draw(NUMBERS), "high": data.draw(NUMBERS)}
        inputs[key] = entry
    tables = {"schema": "twentywatts.fleet/1", "title": "x", "inputs": inputs}
    if data.draw(st.booleans()):
        tables["growth"] = {key: data.draw(NUMBERS) for key in ("factor", "low", "high", "years", "efficiency")}
    assert "please report" not in _error_of(lambda: tw.plan.fleet(parse_scenario(tables, name="x"), draws=20))


def _error_of(call: Callable[[], tw.plan.Plan]) -> str:
    """Return the text of our own error, or nothing where the plan is whole and finite."""
    try:
        json.dumps(plan_document(call()), allow_nan=False)
    except TwentyWattsError as error:
        return str(error)
    return ""


@settings(max_examples=25)
@given(first=NUMBERS, second=NUMBERS, third=NUMBERS)
def test_numbers_of_any_size_are_answered_or_refused(first: object, second: object, third: object) -> None:
    calls: list[Callable[[], tw.plan.Plan]] = [
        lambda: tw.plan.training(first, second, "h100-sxm", context=third),  # type: ignore[arg-type]
        lambda: tw.plan.scaling(first, "h100-sxm", served_tokens=second),  # type: ignore[arg-type]
        lambda: tw.plan.equivalents(first, time_s=second),  # type: ignore[arg-type]
        lambda: tw.plan.serving(COST, "h100-sxm", concurrent=first, tokens=second, slo_s=third),  # type: ignore[typeddict-item]
        lambda: tw.plan.serving(COST, "h100-sxm", requests_per_s=first, tokens=second, peak=third),  # type: ignore[typeddict-item]
    ]
    for call in calls:
        assert "please report" not in _error_of(call)
