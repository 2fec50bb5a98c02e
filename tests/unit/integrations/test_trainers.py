"""Callbacks of trainers, on modules that stand in for transformers and Lightning."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.support.living import living

from twentywatts.errors import MissingExtraError
from twentywatts.integrations.trainers import hugging_face_callback, lightning_callback
from twentywatts.meter.shared import close_shared


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    close_shared()
    monkeypatch.setenv("TWENTYWATTS_ROOT", str(tmp_path / "machine"))
    with living("client", tmp_path / "machine"):
        yield
        close_shared()


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **names: Any) -> None:
    parent, _, _ = name.rpartition(".")
    if parent:
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    module = ModuleType(name)
    module.__dict__.update(names)
    monkeypatch.setitem(sys.modules, name, module)


def test_hugging_face_logs_carry_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "transformers", TrainerCallback=type("TrainerCallback", (), {}))
    callback = hugging_face_callback()
    state = SimpleNamespace(is_local_process_zero=True, epoch=1.0, global_step=7, log_history=[])
    callback.on_train_begin(None, state, None, model=None)
    time.sleep(0.2)
    callback.on_epoch_end(None, state, None)
    logs: dict[str, float] = {}
    callback.on_log(None, state, None, logs=logs)
    assert logs["energy_j"] > 0
    assert logs["energy_measured"] == 1.0
    callback.on_train_end(None, state, None)
    (last,) = state.log_history
    assert last["energy_j"] >= logs["energy_j"]


def test_hugging_face_logs_carry_joules_before_the_first_epoch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "transformers", TrainerCallback=type("TrainerCallback", (), {}))
    callback = hugging_face_callback()
    state = SimpleNamespace(is_local_process_zero=True, epoch=0.1, global_step=1, log_history=[])
    callback.on_train_begin(None, state, None)
    told = []
    for _ in range(2):
        time.sleep(0.1)
        logs: dict[str, float] = {"loss": 1.0}
        callback.on_log(None, state, None, logs=logs)
        told.append(logs["energy_j"])
    assert told[1] > told[0] > 0
    assert callback.energy.meter.laps == ()
    callback.on_train_end(None, state, None)


def test_other_processes_of_a_node_stay_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "transformers", TrainerCallback=type("TrainerCallback", (), {}))
    callback = hugging_face_callback()
    state = SimpleNamespace(is_local_process_zero=False, epoch=1.0, log_history=[])
    callback.on_train_begin(None, state, None)
    callback.on_epoch_end(None, state, None)
    callback.on_train_end(None, state, None)
    assert state.log_history == []


def test_lightning_logs_carry_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "lightning.pytorch", Callback=type("Callback", (), {}))
    callback, logged = lightning_callback(), list[tuple[dict[str, float], int]]()
    logger = SimpleNamespace(log_metrics=lambda found, step: logged.append((found, step)))
    trainer = SimpleNamespace(local_rank=0, current_epoch=0, global_step=3, logger=logger)
    callback.on_train_start(trainer, None)
    time.sleep(0.2)
    callback.on_train_batch_end(trainer, None, None, None, 0)  # this trainer does not tell when it logs
    callback.on_train_epoch_end(trainer, None)
    callback.on_train_end(trainer, None)
    assert [step for _, step in logged] == [3, 3]
    assert logged[1][0]["energy_j"] >= logged[0][0]["energy_j"] > 0


def test_lightning_logs_carry_joules_when_steps_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "lightning.pytorch", Callback=type("Callback", (), {}))
    callback, logged = lightning_callback(), list[float]()
    logger = SimpleNamespace(log_metrics=lambda found, step: logged.append(found["energy_j"]))
    trainer = SimpleNamespace(local_rank=0, current_epoch=0, global_step=3, logger=logger, log_every_n_steps=5)
    callback.on_train_start(trainer, None)
    time.sleep(0.1)
    for number in range(11):
        callback.on_train_batch_end(trainer, None, None, None, number)
    callback.on_train_end(trainer, None)
    assert len(logged) == 3
    assert 0 < logged[0] <= logged[1] <= logged[2]


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("transformers", "lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="transformers"):
        hugging_face_callback()
    with pytest.raises(MissingExtraError, match="lightning"):
        lightning_callback()
