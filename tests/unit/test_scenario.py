"""Scenario: what it takes and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twentywatts.errors import InputError
from twentywatts.scenario import Boundary, Scenario


def test_the_default_is_one_inference_after_the_other_on_a_device() -> None:
    scenario = Scenario()
    assert (scenario.batch, scenario.rate_per_s, scenario.boundary) == (1, None, Boundary.DEVICE)


def test_a_boundary_may_be_given_by_its_name() -> None:
    assert Scenario(boundary="system").boundary is Boundary.SYSTEM  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [-1.0, 0, 0.0, float("nan"), float("inf"), "10", True, 1e-300, 1e300, [1]])
def test_a_rate_that_is_none_is_refused(rate: Any) -> None:
    with pytest.raises(InputError, match="positive number of inferences per second"):
        Scenario(rate_per_s=rate)


@pytest.mark.parametrize("batch", [0, -1, 1.0, True, "8", None, 10**30])
def test_a_batch_that_is_none_is_refused(batch: Any) -> None:
    with pytest.raises(InputError, match="the batch must be a whole number of at least 1"):
        Scenario(batch=batch)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"boundary": "planet"}, "unknown boundary 'planet', wanted one of chip, device, system, facility"),
        ({"boundary": None}, "unknown boundary"),
        ({"axes": {"sequence": 0}}, "axis 'sequence'"),
        ({"axes": {"sequence": 1.5}}, "axis 'sequence'"),
        ({"draws": -1}, "number of draws"),
        ({"draws": 2.5}, "number of draws"),
        ({"seed": -1}, "the seed"),
        ({"seed": "a"}, "the seed"),
        ({"rate_per_s": 1.0, "duty_frac": 0.0}, "duty is a share"),
        ({"rate_per_s": 1.0, "duty_frac": 1.5}, "duty is a share"),
        ({"rate_per_s": 1.0, "duty_frac": None}, "duty is a share"),
        ({"rate_per_s": 1.0, "event_rate_per_s": -1.0}, "event rate must be"),
        ({"rate_per_s": 1.0, "battery_j": 0}, "battery must hold"),
        ({"duty_frac": 0.5}, "need a rate"),
        ({"battery_j": 10.0}, "need a rate"),
    ],
)
def test_what_else_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Scenario(**changes)


def test_numbers_of_numpy_become_python_s_own() -> None:
    scenario = Scenario(batch=np.int64(8), seed=np.uint8(3))
    assert (type(scenario.batch), scenario.batch, type(scenario.seed)) == (int, 8, int)


@pytest.mark.parametrize("axes", [3, None, "sequence=128", [("sequence", 128)]])
def test_axes_are_a_table(axes: Any) -> None:
    with pytest.raises(InputError, match="sizes by name"):
        Scenario(axes=axes)


def test_a_scenario_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Scenario().batch = 2  # type: ignore[misc]
