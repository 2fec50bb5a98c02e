"""The page of the spiking chips is what its committed rows give, and what is left out is not seen."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("scipy")
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import estimator_spread
import neuromorphic_boards as boards
import neuromorphic_rows as rows
import validate_neuromorphic as page

ROWS = rows.read()
LOIHI = [group for group in page.groups_of(ROWS) if group.device == "loihi"]


def test_the_page_is_what_the_committed_rows_give() -> None:
    assert page.OUT.read_text(encoding="utf-8") == page.page(ROWS)


def test_every_row_is_on_the_page_once() -> None:
    found = page.predict(ROWS)
    assert len(found) + sum(bool(row.reason) for row in ROWS) == len(ROWS) == 63
    assert not [row.name for row in ROWS if row.reason == rows.UNVERIFIED and row.energy_j]


def test_a_prediction_does_not_see_its_own_group() -> None:
    changed = [
        replace(row, energy_j=3 * row.energy_j, time_s=2 * row.time_s) if "C04" in row.name else row for row in ROWS
    ]
    for name in ("KWS loihi_I08O08C04L10_run01", "KWS cpu_bsize_1"):
        before, after = (next(p for p in page.predict(table) if p.row.name == name) for table in (ROWS, changed))
        assert before.left_out_j == after.left_out_j


@pytest.mark.parametrize("name", ["KWS aloha (Xylo", "Audio classification (Xylo", "Granite", "3B LLM"])
def test_a_run_of_another_paper_is_not_told_by_itself(name: str) -> None:
    def found(table: list[rows.Row]) -> page.Prediction:
        return next(each for each in page.predict(table) if each.row.name.startswith(name))

    other = [replace(row, energy_j=99 * row.energy_j) if row.name.startswith(name) else row for row in ROWS]
    assert found(other).left_out_j == found(ROWS).left_out_j
    assert not found(other).is_inside, "the interval holds the published value because of that value"


def test_the_board_is_found_again_in_runs_that_it_made() -> None:
    """Runs made by a known board: a group that is left out is predicted exactly."""
    board = boards.LoihiBoard(
        idle_w=0.03, power_w={None: 0.08}, overhead_s={1: 0.003, 8: 0.007, None: 0.005}, layer_s=5e-5, rate=0.1
    )

    def run(group: boards.Group) -> boards.Group:
        energy_j, time_s = boards.loihi_energy_j(group, board)
        return replace(group, energy_j=energy_j, time_s=time_s, idle_w=0.03)

    made = [run(group) for group in LOIHI]
    gone = next(group for group in made if group.branches == 4)
    found, _ = boards.loihi_energy_j(gone, boards.loihi_board([group for group in made if group is not gone]))
    assert found == pytest.approx(gone.energy_j, rel=1e-3)


def test_rows_are_derived_from_a_table(tmp_path: Path) -> None:
    columns = "workload chip metric_power_W idle_W inf_per_s energy_per_inf_J energy_kind network notes status".split()
    table = [
        [
            "KWS cpu_bsize_4",
            "cpu",
            "20",
            "10",
            "400",
            "5e-2",
            "total",
            "390-256-[1 branches x 0 layers x 256]-256-29",
            "",
            "",
        ],
        ["KWS aloha", "CPU (paper)", "20", "10", "100", "0.1", "dynamic", "390-256-256-29", "", "verified"],
        [
            "KWS cpu_bsize_1",
            "cpu",
            "20",
            "10",
            "100",
            "0.2",
            "total",
            "390-256-[1 branches x 0 layers x 256]-256-29",
            "",
            "",
        ],
        ["CIFAR10", "TrueNorth 1 chip", "0.2", "", "1000", "2e-4", "total", "EEDN", "", "RECALLED - check"],
    ]
    with (tmp_path / "measured_workloads.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *table])
    four, paper, one, recalled = rows.derive(tmp_path)
    assert (four.batch, four.time_s) == (4, pytest.approx(0.01))
    assert paper.dynamic
    assert paper.group == one.group
    assert (recalled.energy_j, recalled.reason) == (0.0, rows.UNVERIFIED)
    rows.write([four, paper], tmp_path / "rows.csv")
    assert rows.read(tmp_path / "rows.csv") == [four, paper]


def test_the_table_of_estimators_is_what_its_script_gives() -> None:
    assert estimator_spread.OUT.read_text(encoding="utf-8") == estimator_spread.page()


def test_keras_spiking_s_constants_give_what_the_tool_gives() -> None:
    """Measured with the library: 269 µJ on Loihi, 4.6 mJ on SpiNNaker 2, 129 mJ on SpiNNaker."""
    work = estimator_spread.dense(estimator_spread.SHAPES, rate=estimator_spread.RATE, timesteps=estimator_spread.STEPS)
    said = estimator_spread.estimators(work, estimator_spread.SHAPES)
    assert said["KerasSpiking, Loihi"] == pytest.approx(269e-6, rel=0.01)
    assert said["KerasSpiking, SpiNNaker 2"] == pytest.approx(4.6e-3, rel=0.02)
    assert said["KerasSpiking, SpiNNaker"] == pytest.approx(129e-3, rel=0.01)
