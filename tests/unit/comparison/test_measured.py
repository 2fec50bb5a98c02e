"""compare --measure: the rows of this processor get measured joules, or one line that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.living import living
from tests.support.repository import ROOT

from twentywatts.comparison import Comparison
from twentywatts.comparison.job import Job, run
from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.result import Role
from twentywatts.figures import Evidence
from twentywatts.meter.shared import close_shared
from twentywatts.scenario import Scenario

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def data(digits: Path) -> Path:
    return digits / "test.npz"


def compared(data: Path, **options: Any) -> Comparison:
    job = Job(
        model=ROOT / "examples" / "digits.onnx",
        data=data,
        train=None,
        machines=("this-cpu", "loihi"),
        max_drop=0.05,
        metric=metric_of("accuracy"),
        scenario=Scenario(**options),
        is_measured=True,
    )
    close_shared()
    try:
        return run(job)
    finally:
        close_shared()


def test_a_live_counter_replaces_the_prediction(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twentywatts.reports.document import comparison_document

    monkeypatch.setenv("TWENTYWATTS_ROOT", str(tmp_path))
    with living("client", tmp_path):
        found = compared(data)
    rows = {(row.role, row.machine): row for row in found.rows}
    for key in ((Role.REFERENCE, "this-cpu"), (Role.CANDIDATE, "this-cpu")):
        row = rows[key]
        assert row.ledger.evidence is Evidence.CHIP_COUNTER
        assert row.ledger.per == "inference"
        power_w = row.ledger.energy_j.mid / row.ledger.latency_s.mid
        assert 30.0 < power_w < 60.0, "45 W whatever runs; joules and seconds are medians of short windows"
        assert any("measured on the whole processor" in note for note in row.notes)
    assert rows[Role.CANDIDATE, "loihi"].ledger.evidence < Evidence.CHIP_COUNTER
    assert rows[Role.REFERENCE, "this-cpu"].ratio.mid == pytest.approx(1.0)
    assert found.run["measured"] is True
    assert any("mix the two" in note for note in found.notes)
    assert comparison_document(found)["rows"][0]["evidence"] == "L2"


def test_without_a_counter_one_line_says_so(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWENTYWATTS_ROOT", str(tmp_path))
    found = compared(data)
    assert found.reference.ledger.evidence < Evidence.CHIP_COUNTER
    assert found.run["measured"] is False
    (line,) = [note for note in found.notes if note.startswith("--measure")]
    assert "no live counter" in line


def test_idle_time_between_inferences_cannot_be_measured(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWENTYWATTS_ROOT", str(tmp_path))
    found = compared(data, rate_per_s=10.0)
    assert any("--rate" in note for note in found.notes)
