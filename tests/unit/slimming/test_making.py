"""Making: what is looked at before a training is bounded by what the model as given costs, and asked for once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.planted import network, samples
from tests.unit.slimming.test_depth import inputs_of, residual

from twentywatts.errors import RefusedError
from twentywatts.readers.samples import Samples
from twentywatts.scenario import Scenario
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.learning.mixing import TIMES
from twentywatts.slimming.searching import making


def lab_of(content: bytes, calibration: Samples) -> Any:
    given = SimpleNamespace(candidate=Candidate(content=content))
    question = SimpleNamespace(scenario=Scenario())
    return SimpleNamespace(given=given, question=question, calibration=calibration, harms={}, mixtures={})


def test_mixtures_are_made_once_for_a_seed_and_not_of_a_slow_model(monkeypatch: pytest.MonkeyPatch) -> None:
    train = samples("train", 60)
    lab = lab_of(network(), train)
    mixed = making._lesson_samples(lab, train, 0)
    assert mixed.count == (1 + TIMES) * train.count
    assert making._lesson_samples(lab, train, 0) is mixed
    monkeypatch.setattr(making, "_LOOK_MACS", 1e3)
    assert making._lesson_samples(lab_of(network(), train), train, 0) is train


def test_blocks_of_a_model_that_is_too_large_are_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    content = residual(1.0, 0.5)
    given = Samples(name="some", inputs=inputs_of(content, 32), targets=samples("some", 32).targets)
    candidate = Candidate(content=content)
    assert len(making._harms(candidate, lab_of(content, given))) == 2
    monkeypatch.setattr(making, "_LOOK_MACS", 1e3)
    with pytest.raises(RefusedError, match="too large to be asked"):
        making._harms(candidate, lab_of(content, given))
