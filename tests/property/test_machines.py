"""Any figures that a machine file may hold give a finite price or a clear refusal, never a traceback or a zero."""

from __future__ import annotations

import os

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from twentywatts.errors import TwentyWattsError
from twentywatts.figures import Boundary
from twentywatts.machines import FAMILIES, traits_of
from twentywatts.machines.catalog import parse
from twentywatts.machines.machine import KEYS, TRAITS
from twentywatts.price import price
from twentywatts.scenario import Scenario
from twentywatts.testing import fake_workload
from twentywatts.testing.fakes import fake_figure, fake_tables
from twentywatts.units import unit_of_key

values = st.one_of(
    st.floats(min_value=1e-18, max_value=1e18),
    st.integers(min_value=0, max_value=4096).map(float),
)
MAX = int(os.environ.get("TWENTYWATTS_FUZZ", "150"))  # the same ones in every run; more by hand
KINDS: dict[str, st.SearchStrategy[object]] = {
    "a text": st.just("some"),
    "true or false": st.booleans(),
    "a number": st.floats(0, 1e9),
    "a positive number": st.floats(0.01, 1e6),
    "a list of numbers": st.lists(st.floats(0, 50), max_size=4),
}
anything = st.one_of(st.floats(), st.integers(), st.none(), st.booleans(), st.text(max_size=3), st.lists(st.floats()))


@st.composite
def traits(draw: st.DrawFn) -> dict[str, object]:
    """A few traits, most of them as they should be."""
    wanted = {key: TRAITS[key] for key in draw(st.lists(st.sampled_from(sorted(TRAITS)), max_size=3))}
    fitting = {key: KINDS[kind] if isinstance(kind, str) else st.sampled_from(kind) for key, kind in wanted.items()}
    return {key: draw(anything if draw(st.integers(0, 9)) == 0 else fitting[key]) for key in wanted}


@st.composite
def machines(draw: st.DrawFn) -> dict[str, object]:
    family = draw(st.sampled_from(FAMILIES))
    changed = draw(st.dictionaries(st.sampled_from(sorted(KEYS[family])), values, max_size=6))
    tables = fake_tables(family)
    for key, value in changed.items():
        figure = fake_figure(key, value)
        if unit_of_key(key) not in ("1", "bit", "nm") and draw(st.booleans()):
            figure["high"] = value * 1000
        tables["figures"][key] = figure
    tables["traits"] = draw(traits())
    return tables


@settings(max_examples=MAX, derandomize=MAX == 150)
@given(
    tables=machines(),
    rate=st.one_of(st.none(), st.floats(1e-12, 1e15)),
    batch=st.integers(1, 2**40),
    boundary=st.sampled_from(list(Boundary)),
    size=st.sampled_from([1.0, 64.0, 1e6]),
)
def test_a_machine_is_priced_or_refused(
    tables: dict[str, object], rate: float | None, batch: int, boundary: Boundary, size: float
) -> None:
    scenario = Scenario(batch=batch, rate_per_s=rate, boundary=boundary, draws=10)
    try:
        machine = parse(tables, origin="fuzz")
        traits_of(machine)
        ledger = price(fake_workload(machine.family, size=size, batch=batch), machine, scenario)
    except TwentyWattsError:
        event("refused")
        return
    event(f"priced as {machine.family}")
    assert np.isfinite(ledger.energy_j.values).all()
    assert (ledger.energy_j.values >= 0).all()
    assert np.isfinite(ledger.latency_s.values).all()
    assert (ledger.latency_s.values > 0).all()
    assert ledger.sources
