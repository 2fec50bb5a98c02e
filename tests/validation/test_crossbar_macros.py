"""The reader and the folds of the macro validation, on a small made-up table."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import crossbar_macros as cm

COLUMNS = (
    "name title year tech_nm kind compute_model rows cols vdd bx_per_cycle bw_per_cell_group b_adc tops_1b_norm "
    "tops_per_w_1b_norm native_bits tops_native tops_w_native level"
).split()


def row(**cells: object) -> dict[str, object]:
    base = {
        "year": 2021,
        "tech_nm": 28,
        "kind": "SRAM",
        "compute_model": "QR",
        "rows": 256,
        "cols": 64,
        "level": "macro",
    }
    return dict.fromkeys(COLUMNS, "") | base | cells


def table(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def known(name: str, efficiency: float, **cells: object) -> dict[str, object]:
    steps = {"vdd": 0.8, "bx_per_cycle": 1, "bw_per_cell_group": 1, "b_adc": 5, "tops_1b_norm": 1}
    return row(name=name, title=f"A macro of {name}", tops_per_w_1b_norm=efficiency, **(steps | cells))


def test_energies_are_per_one_bit_operation(tmp_path: Path):
    rows = [
        known("Chih", 1424),
        row(
            name="NeuRRAM a", kind="eNVM (RRAM)", native_bits="3b in, analog weight (~4b), 5b out", tops_w_native=23.09
        ),
        row(name="four bits", native_bits="4b/4b/4b", tops_w_native=100, tops_native=1),
    ]
    macros = {m.name: m for m in cm.read_macros(table(tmp_path / "m.csv", rows))}
    assert macros["Chih"].energy_j == pytest.approx(1e-12 / 1424)
    assert macros["NeuRRAM a"].energy_j == pytest.approx(1e-12 / (23.09 * 12))
    assert macros["NeuRRAM a"].adc_bits == 5
    assert macros["four bits"].energy_j == pytest.approx(1e-12 / 1600)
    assert macros["four bits"].op_per_s == pytest.approx(16e12)


def test_other_levels_kinds_and_unknown_operands_are_left_out(tmp_path: Path):
    rows = [
        known("digital", 100, kind="Digital"),
        known("a system", 100, level="system"),
        row(name="no operands", native_bits="4b weight, analog in/out", tops_w_native=44),
        row(name="no energy"),
        known("kept", 100),
    ]
    assert [m.name for m in cm.read_macros(table(tmp_path / "m.csv", rows))] == ["kept"]


def test_rows_of_one_chip_share_a_group_and_repeats_are_dropped(tmp_path: Path):
    rows = [
        row(name="Sinangil JSSC 2021 0.8V", vdd=0.8, native_bits="4b/4b/4b", tops_w_native=351),
        row(name="Sinangil JSSC 2021 0.8V other data", vdd=0.8, native_bits="4b/4b/4b", tops_w_native=262.3),
        known("Qing Dong et al. ISSCC 2020", 5616),
    ]
    macros = cm.read_macros(table(tmp_path / "m.csv", rows))
    assert len(macros) == 2
    assert len({m.group for m in macros}) == 1


def test_held_out_predictions_do_not_see_their_chip(tmp_path: Path):
    rows = [
        known(f"chip {i}", 200.0 * (1 + i % 4), tech_nm=[65, 28, 22, 7][i % 4], rows=64 * (1 + i % 3)) for i in range(4)
    ]
    macros = cm.read_macros(table(tmp_path / "m.csv", rows))
    first = cm.table_of(macros)
    changed = cm.Table(target=first.target.copy(), groups=first.groups, metadata=first.metadata, physics=first.physics)
    changed.target[0] += 1.0
    model = "training median"
    before = cm.leave_one_group_out(first, cm.baselines(first)[model])
    after = cm.leave_one_group_out(changed, cm.baselines(changed)[model])
    assert before[0] == after[0]
    assert np.isfinite(cm.nested(first)[0]).all()


def test_points_of_a_known_chip_are_shifted_by_its_other_points():
    table = cm.Table(
        target=np.array([0.0, 0.1, 5.0]),
        groups=np.array(["a", "a", "b"]),
        metadata=np.zeros((3, 1)),
        physics=np.zeros((3, 1)),
    )
    residuals = cm.leave_one_point_out(table, np.array([1.0, 1.0, 5.0]))
    assert residuals[0] == pytest.approx(0.1)
    assert residuals[1] == pytest.approx(-0.1)
    assert np.isnan(residuals[2])
