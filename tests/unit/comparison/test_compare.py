"""The main job on the bundled network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import twentywatts as tw
from twentywatts.comparison import Role
from twentywatts.errors import DataError, InputError, MachineError, RefusedError
from twentywatts.forms import protocol

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "examples" / "digits.onnx"


@pytest.fixture(scope="module")
def data(digits: Path) -> Path:
    return digits / "test.npz"


@pytest.fixture(scope="module")
def comparison(data: Path) -> tw.Comparison:
    machines = ["this-cpu", "h100-sxm", "loihi", "truenorth", "odin", "isaac", "dimc-22nm", "akida"]
    return tw.compare(MODEL, data, on=machines, max_drop=0.02)


def test_the_reference_is_first_and_the_yardstick_last(comparison: tw.Comparison) -> None:
    roles = [row.role for row in comparison.rows]
    assert roles[0] is Role.REFERENCE
    assert roles[-1] is Role.YARDSTICK
    assert set(roles[1:-1]) == {Role.CANDIDATE}
    assert comparison.rows[-1].accuracy is None
    assert comparison.reference.ratio.mid == 1.0


def test_rows_that_keep_the_accuracy_come_first_by_energy(comparison: tw.Comparison) -> None:
    rows = comparison.rows[1:-1]
    ranks = [{True: 0, None: 1, False: 2}[row.keeps_accuracy] for row in rows]
    assert ranks == sorted(ranks)
    kept = [row.ledger.energy_j.mid for row in rows if row.keeps_accuracy]
    assert kept == sorted(kept)


def test_the_digits_network_keeps_its_accuracy_in_every_form(comparison: tw.Comparison) -> None:
    """Within one point on the reported half: int8, spikes with T ≤ 8, an analog crossbar."""
    row = {row.machine: row for row in comparison.rows[1:-1]}
    assert row["h100-sxm"].form == "int8"
    assert row["loihi"].setting["timesteps"] <= 8
    for name in ("h100-sxm", "loihi", "isaac"):
        assert row[name].accuracy_drop <= 0.01, name


def test_refused_machines_say_why(comparison: tw.Comparison) -> None:
    assert [refusal.machine for refusal in comparison.refused] == ["akida"]
    assert "publishes no energy" in comparison.refused[0].reason


def test_totals_are_sums_by_layer_and_by_cause(comparison: tw.Comparison) -> None:
    for row in comparison.rows:
        total = row.ledger.energy_j.mid
        assert sum(s.mid for s in row.ledger.by_cause().values()) == pytest.approx(total, rel=1e-12)
        assert sum(s.mid for s in row.ledger.by_part().values()) == pytest.approx(total, rel=1e-12)
        interval = row.ledger.energy_j.interval
        assert 0 < interval.low <= interval.mid <= interval.high


def test_every_number_has_a_source(comparison: tw.Comparison) -> None:
    for row in comparison.rows:
        for entry in row.ledger.entries:
            assert entry.sources, (row.machine, entry.part, entry.cause)


def test_two_forms_on_one_machine_are_compared_more_surely_than_two_machines(comparison: tw.Comparison) -> None:
    """Shared figures cancel in a ratio."""
    row = {row.machine: row.ratio for row in comparison.rows[1:-1]}
    own, other = row["this-cpu"], row["h100-sxm"]
    assert own.high / own.low < other.high / other.low


def test_events_are_fewer_where_steps_are_fewer(data: Path) -> None:
    loose = tw.compare(MODEL, data, on=["loihi"], max_drop=0.3).rows[1]
    strict = tw.compare(MODEL, data, on=["loihi"], max_drop=0.02).rows[1]
    assert loose.setting["timesteps"] <= strict.setting["timesteps"]
    assert loose.counts["synaptic_events"] <= strict.counts["synaptic_events"]


def test_waiting_costs_a_server_more_than_a_small_chip(data: Path) -> None:
    busy = tw.compare(MODEL, data, on=["h100-sxm", "odin"], max_drop=0.05)
    waiting = tw.compare(MODEL, data, on=["h100-sxm", "odin"], max_drop=0.05, rate_per_s=10.0)

    def energy(comparison: tw.Comparison, name: str) -> float:
        return next(row.ledger.energy_j.mid for row in comparison.rows if row.machine == name)

    assert energy(waiting, "h100-sxm") > 100 * energy(busy, "h100-sxm")
    assert energy(waiting, "odin") < energy(waiting, "h100-sxm") / 1000


def test_classical_baselines_are_priced_on_the_same_processor(comparison: tw.Comparison) -> None:
    found = {baseline.name: baseline for baseline in comparison.baselines}
    assert {"majority class", "logistic regression"} <= set(found)
    assert found["majority class"].good_enough is False
    assert found["majority class"].accuracy < 0.2
    assert found["logistic regression"].ratio.mid < 1


def test_a_model_that_knows_its_tuning_samples_is_pointed_out(data: Path) -> None:
    train = data.with_name("train.npz")
    flattered = tw.compare(MODEL, data, train=train, on=["t4"], max_drop=0.02)
    assert any("tuning samples" in note for note in flattered.notes)
    assert flattered.data.reported_count == 1079


def test_easy_data_show_that_no_network_is_needed(tmp_path: Path, data: Path) -> None:
    with np.load(data) as whole:
        keep = np.isin(whole["y"], (0, 1))
        np.savez(tmp_path / "easy.npz", x=whole["x"][keep], y=whole["y"][keep])
    result = tw.compare(MODEL, tmp_path / "easy.npz", on=["t4"], max_drop=0.1)
    assert any(b.good_enough for b in result.baselines if b.name != "majority class")


def test_a_function_as_metric(data: Path) -> None:
    def share_of_right_answers(outputs: np.ndarray, targets: np.ndarray) -> float:
        return float((outputs.argmax(1) == targets).mean())

    own = tw.compare(MODEL, data, on=["t4"], metric=share_of_right_answers)
    named = tw.compare(MODEL, data, on=["t4"])
    assert own.data.metric == "share_of_right_answers"
    assert own.rows[1].accuracy == named.rows[1].accuracy
    assert own.rows[1].accuracy_interval is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"on": ["no-such-chip"]}, MachineError),
        ({"max_drop": float("nan")}, InputError),
        ({"metric": "nonsense"}, InputError),
        ({"batch": 0}, InputError),
        ({"boundary": "moon"}, InputError),
        ({"train": "nowhere.npz"}, DataError),
    ],
)
def test_bad_arguments_raise(options: dict, error: type[Exception], data: Path) -> None:
    with pytest.raises(error):
        tw.compare(MODEL, data, **options)


def test_a_form_that_cannot_carry_a_layer_refuses_by_its_name(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    def refuse(*args: object, **more: object) -> list[object]:
        raise RefusedError("layer 'attention' has no spiking form")

    monkeypatch.setattr("twentywatts.forms.spiking.build_all", refuse)
    result = tw.compare(MODEL, data, on=["loihi", "t4"])
    assert [refusal.reason for refusal in result.refused] == ["layer 'attention' has no spiking form"]
    assert protocol.forms_of("neuromorphic") == ("spiking",)


def test_twice_the_batch_never_costs_less_in_total(data: Path) -> None:
    def energies(batch: int) -> dict[str, float]:
        rows = tw.compare(MODEL, data, on=["h100-sxm", "loihi", "isaac"], max_drop=0.02, batch=batch).rows[:-1]
        return {f"{row.role} {row.machine}": row.ledger.energy_j.mid * batch for row in rows}

    once, twice = energies(4), energies(8)
    for name, energy in once.items():
        assert twice[name] >= energy * (1 - 1e-9), name


def test_replacing_the_scenario_does_not_change_the_result_object(comparison: tw.Comparison) -> None:
    again = replace(comparison)
    assert str(again) == str(comparison)
    assert "loihi" in str(comparison)


@pytest.mark.parametrize("metric", ["accuracy", "top-3", "f1"])
def test_two_points_are_not_a_drop_of_two(metric: str) -> None:
    with pytest.raises(InputError, match=r"0\.02 is two points"):
        tw.compare("model.onnx", "data.npz", max_drop=2, metric=metric)
