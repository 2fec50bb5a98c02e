"""The documents of plan, byte for byte: they change only when the format or a figure does.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_plan_json.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.golden import RUN, check_golden, check_schema

import twentywatts as tw
from twentywatts.figures import Boundary
from twentywatts.plan import TokenCost
from twentywatts.plan.grid.trace_file import parse_trace
from twentywatts.plan.inputs import point
from twentywatts.reports.plan import plan_document

FOLDER = Path(__file__).parent
# a chip of the tests' own: a corrected figure of a bundled one must not change the format's example
CHIP = str(FOLDER.parent / "support" / "machines" / "plan-chip.toml")
COST = TokenCost(
    energy_j=point(0.5),
    stream_s=point(1 / 30),
    streams=64,
    chips=2,
    boundary=Boundary.DEVICE,
    how="given",
)
# a sun that shines from two to six and wind in the first hour: one schedule alone is best
HOURS = parse_trace(
    [
        "time,load_mw,ci_g_per_kwh,pv_pu,wind_pu",
        *(
            f"2025-06-01T{hour:02d}:00Z,1,{400 - 10 * hour},{float(1 < hour < 6)},{float(hour == 0)}"
            for hour in range(9)
        ),
    ],
    "hours.csv",
)
PLANS: dict[str, Callable[[], tw.plan.Plan]] = {
    "training": lambda: tw.plan.training(70e9, 2e12, CHIP, mfu=0.4, pue=1.1, chips=2048),
    "scaling": lambda: tw.plan.scaling(3.6e12, CHIP, served_tokens=1e12),
    "grid": lambda: (
        pytest.importorskip("scipy")
        and tw.plan.grid_year(HOURS, grid="DE", pv_w=2e6, wind_w=1e6, battery_j=7.2e9, flexible_frac=0.5)
    ),
    "equivalents": lambda: tw.plan.equivalents(1.476e14, time_s=1e7, grid="US"),
    "fleet": lambda: tw.plan.fleet("world-2025", grid="world", draws=2000),
    "serving": lambda: tw.plan.serving(COST, CHIP, concurrent=1e4, tokens=400, peak=2.5, slo_s=2, grid="DE"),
}


@pytest.mark.parametrize("kind", PLANS)
def test_the_document_is_the_golden_one(kind: str, tmp_path: Path) -> None:
    document = plan_document(PLANS[kind](), RUN)
    check_golden(document, FOLDER / f"plan-{kind}-1.json", tmp_path)
    check_schema(document, "plan-1")
