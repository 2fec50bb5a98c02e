"""Spiking rows and training data: fine-tuned where torch is installed, said where it is not, left alone on demand."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.repository import ROOT

import twentywatts as tw
from twentywatts.reports.document import comparison_document

MODEL = ROOT / "examples" / "digits.onnx"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return training and test samples, few of them."""
    datasets = pytest.importorskip("sklearn.datasets")
    pytest.importorskip("onnxruntime")
    x, y = datasets.load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    folder = tmp_path_factory.mktemp("digits")
    np.savez(folder / "train.npz", x=x[:120], y=y[:120])
    np.savez(folder / "test.npz", x=x[900:1100], y=y[900:1100])
    return folder / "train.npz", folder / "test.npz"


def _row(comparison: tw.Comparison) -> Any:
    return next(row for row in comparison.rows if row.family == "neuromorphic")


@pytest.mark.torch
def test_training_data_are_used_and_named(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from twentywatts.forms.spiking import qcfs

    monkeypatch.setattr(qcfs, "Schedule", partial(qcfs.Schedule, epochs=2))
    train, test = files
    found = tw.compare(MODEL, test, train=train, on="loihi", max_drop=0.2)
    assert _row(found).setting["training"] in ("QCFS", "none")
    assert any("training QCFS run weights" in note for note in found.notes)
    plain = tw.compare(MODEL, test, train=train, on="loihi", max_drop=0.2, fine_tune=False)
    assert "training" not in _row(plain).setting
    assert not any("fine-tuned" in note for note in plain.notes)


@pytest.mark.torch
@pytest.mark.parametrize(("count", "note"), [(1, "cannot both train and choose"), (2, "training QCFS run weights")])
def test_a_training_set_of_next_to_nothing_is_no_reason_to_fail(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, note: str
) -> None:
    pytest.importorskip("torch")
    from twentywatts.forms.spiking import qcfs

    monkeypatch.setattr(qcfs, "Schedule", partial(qcfs.Schedule, epochs=1))
    train, test = files
    with np.load(train) as held:
        np.savez(tmp_path / "few.npz", x=held["x"][:count], y=held["y"][:count])
    found = tw.compare(MODEL, test, train=tmp_path / "few.npz", on="loihi", max_drop=0.2)
    assert any(note in text for text in found.notes)
    assert _row(found).accuracy > 0.5


def test_without_torch_it_is_said(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    train, test = files
    found = tw.compare(MODEL, test, train=train, on="loihi", max_drop=0.2)
    assert "training" not in _row(found).setting
    assert any("not fine-tuned" in note and "twentywatts[torch]" in note for note in found.notes)


def test_every_spiking_row_has_its_dense_twin(files: tuple[Path, Path]) -> None:
    _, test = files
    found = tw.compare(MODEL, test, on="loihi,h100-sxm", max_drop=0.2)
    document = comparison_document(found)
    twins = {row["machine"]: row["twin"] for row in document["rows"]}
    assert twins["h100-sxm"] is None
    row, twin = _row(found), _row(found).twin
    assert twins["loihi"]["bits"] == twin.bits == int(np.ceil(np.log2(row.setting["timesteps"] + 1)))
    assert twin.event_count < row.counts["synaptic_events"] or row.setting["timesteps"] == 1
    ratio = row.ledger.energy_j.mid / twin.ledger.energy_j.mid
    assert twin.ratio.low <= ratio <= twin.ratio.high or ratio == pytest.approx(twin.ratio.mid)
