"""Always on: battery, curve and the rate at which event-driven stops winning, against arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.support.example_comparison import example_comparison

from twentywatts.comparison.always_on import always_on
from twentywatts.comparison.result import Comparison
from twentywatts.price.always_on import Standby
from twentywatts.reports.always_on import always_on_sentences
from twentywatts.reports.document import comparison_document


def made(**powers: tuple[float, float]) -> Comparison:
    """A comparison whose int8 and spiking rows draw waiting + rate × joules, given as (waiting, joules)."""
    comparison = example_comparison(rate_per_s=10.0, battery_j=3600.0)
    draws = 1 + comparison.scenario.draws
    rows = []
    for row in comparison.rows:
        if row.form in powers:
            waiting, joules = powers[row.form]
            wobble = np.geomspace(0.9, 1.1, draws)
            wobble[0] = 1.0
            found = Standby(active_j=joules * wobble, waiting_w=np.full(draws, waiting), busy_s=np.full(draws, 1e-12))
            row = replace(row, standby=found, keeps_accuracy=True)  # noqa: PLW2901
        rows.append(row)
    return replace(comparison, rows=tuple(rows))


def test_without_a_rate_there_is_nothing_to_tell() -> None:
    assert always_on(example_comparison()) is None


def test_event_driven_stops_winning_where_the_lines_cross() -> None:
    """1 mW + r × 1 mJ against 101 mW + r × 10 µJ: they cross at 0.1 W / 0.99 mJ = 101 per second."""
    found = always_on(made(spiking=(1e-3, 1e-3), int8=(0.101, 1e-5)))
    assert found is not None
    (change,) = found.changes
    assert change.event_driven_stops
    assert change.rate_per_s.mid == pytest.approx(0.1 / 0.99e-3, rel=0.05)
    assert 0.85 < change.rate_per_s.low / change.rate_per_s.mid < 1 < change.rate_per_s.high / change.rate_per_s.mid
    assert found.lines[change.below].form == "spiking"
    assert found.lines[change.above].form == "int8"


def test_event_driven_may_begin_to_win_or_never_win() -> None:
    begins = always_on(made(spiking=(0.101, 1e-5), int8=(1e-3, 1e-3)))
    never = always_on(made(spiking=(0.2, 1e-3), int8=(0.1, 1e-4)))
    assert begins is not None
    assert never is not None
    assert [change.event_driven_stops for change in begins.changes] == [False]
    assert never.changes == ()


def test_battery_and_power_belong_together() -> None:
    found = always_on(made(spiking=(1e-3, 1e-3), int8=(0.101, 1e-5)))
    assert found is not None
    line = next(line for line in found.lines if line.form == "spiking")
    assert line.power_w.mid == pytest.approx(1e-3 + 10 * 1e-3)
    assert line.battery_days is not None
    assert line.battery_days.mid == pytest.approx(3600.0 / 11e-3 / 86_400)
    assert line.battery_days.low < line.battery_days.mid < line.battery_days.high


def test_the_reference_competes_where_it_draws_least_that_is_told() -> None:
    """A watt waiting on the reference against a hundred on what was asked for: the former draws least."""
    comparison = made(float=(1.0, 1e-3), int8=(100.0, 1e-3), spiking=(200.0, 1e-3))
    found = always_on(comparison)
    assert found is not None
    assert next(line for line in found.lines if line.form == "float").competes
    title = next(row.title for row in comparison.rows if row.role == "reference")
    assert always_on_sentences(comparison_document(comparison))[0].startswith(f"At the asked rate {title} draws least")


def test_macros_designs_and_losers_do_not_compete() -> None:
    comparison = made(spiking=(1e-3, 1e-3), int8=(0.101, 1e-5))
    rows = tuple(replace(row, keeps_accuracy=False) if row.form == "spiking" else row for row in comparison.rows)
    found = always_on(replace(comparison, rows=rows))
    assert found is not None
    assert found.changes == ()
    assert not next(line for line in found.lines if line.form == "spiking").competes
