"""QCFS fine-tuning: its tensors are the lowered network, it helps at four steps, it repeats itself, it is bounded."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from onnx import helper

from twentywatts.errors import DataError, RefusedError
from twentywatts.forms import spiking
from twentywatts.forms.lowering import evaluate, lower
from twentywatts.forms.spiking.calibration import as_signal
from twentywatts.forms.spiking.qcfs import Schedule, fine_tune
from twentywatts.machines import SpikingTraits
from twentywatts.network import Network
from twentywatts.readers import read

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
node = helper.make_node
TRAITS = SpikingTraits(
    weight_bits=8,
    weight_value_count=None,
    fan_in_count=None,
    neurons_per_core_count=1024,
    synapses_per_core_count=2**20,
)


@pytest.fixture(scope="module")
def varied(models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Return grouped and strided convolutions, both poolings, a residual path, a folded mean, a bounded ReLU."""
    rng = np.random.default_rng(2)
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c0"], name="conv0", pads=[1] * 4),
        node("Clip", ["c0", "low", "high"], ["r0"], name="r0"),
        node("Conv", ["r0", "w1", "b1"], ["c1"], name="conv1", pads=[1] * 4, strides=[2, 2], group=2),
        node("Relu", ["c1"], ["r1"], name="r1"),
        node("MaxPool", ["r1"], ["m"], name="max", kernel_shape=[2, 2], strides=[1, 1]),
        node("Conv", ["m", "w2"], ["c2"], name="conv2"),
        node("Add", ["c2", "m"], ["a"], name="add"),
        node("Relu", ["a"], ["r2"], name="r2"),
        node("Conv", ["r2", "w3", "b3"], ["c3"], name="conv3"),
        node("GlobalAveragePool", ["c3"], ["g"], name="mean"),
        node("Flatten", ["g"], ["y"], name="flat"),
    ]
    constants: dict[str, Any] = {
        "w0": rng.normal(0, 0.4, (4, 2, 3, 3)),
        "b0": rng.normal(0, 0.1, 4),
        "low": np.float32(0),
        "high": np.float32(2.0),
        "w1": rng.normal(0, 0.4, (6, 2, 3, 3)),
        "b1": rng.normal(0, 0.1, 6),
        "w2": rng.normal(0, 0.4, (6, 6, 1, 1)),
        "w3": rng.normal(0, 0.3, (3, 6, 2, 2)),
        "b3": rng.normal(0, 0.1, 3),
    }
    path = tmp_path_factory.mktemp("qcfs") / "varied.onnx"
    models.save(path, nodes, constants, shape=("n", 2, 8, 8))
    return read(path)


def test_the_tensors_are_the_lowered_network(varied: Network) -> None:
    from twentywatts.forms.spiking.qcfs_training import _Net

    lowered = lower(varied)
    x = np.random.default_rng(3).normal(0.3, 0.5, (5, 2, 8, 8))
    signals = {"x": as_signal(x, (2, 8, 8))}
    wanted = evaluate(lowered, signals)[lowered.blocks[-1].name].reshape(5, -1)
    net = _Net(lowered, {})
    given = {"x": torch.from_numpy(signals["x"].astype(np.float32)).permute(1, 2, 0)}
    with torch.no_grad():
        np.testing.assert_allclose(net(given, None).numpy(), wanted, rtol=1e-4, atol=1e-5)
    share = sum(float(block.fan_out.sum()) for block in net.blocks)
    assert share == pytest.approx(1.0, rel=1e-5)


@pytest.fixture(scope="module")
def digits(models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    return models.digits_mlp(tmp_path_factory.mktemp("qcfs") / "mlp.onnx")


def test_it_helps_with_few_steps_and_fewer_events(digits: tuple[Any, ...], models: ModuleType) -> None:
    _, x, tested, wanted = digits
    y = models.digits()[1][: len(x)]
    network = read(digits[0].path)
    told: list[float] = []
    schedule = Schedule(epochs=8)
    tuned = fine_tune(network, {"x": x}, y, schedule=schedule, progress=lambda text, share: told.append(share))
    again = fine_tune(network, {"x": x}, y, schedule=schedule)
    results = {}
    for name, prepared in (("plain", spiking.prepare(network, {"x": x})), ("tuned", tuned), ("again", again)):
        results[name] = spiking.run_steps(spiking.convert(prepared, TRAITS), {"x": tested}, [4])[4]
    assert models.accuracy(results["tuned"].outputs, wanted) >= models.accuracy(results["plain"].outputs, wanted)
    events = {name: result.workload.synaptic_events.sum() for name, result in results.items()}
    assert events["tuned"] < events["plain"]
    np.testing.assert_array_equal(results["tuned"].outputs, results["again"].outputs)
    assert told == [epoch / 8 for epoch in range(8)]


def test_values_instead_of_classes_are_learned_from_the_network(varied: Network) -> None:
    x = np.random.default_rng(4).random((24, 2, 8, 8)).astype(np.float32)
    tuned = fine_tune(varied, {"x": x}, np.zeros((24, 3)), schedule=Schedule(epochs=2))
    assert set(tuned.thresholds) == {block.name for block in lower(varied).blocks[:-1]}
    assert all(np.all(threshold > 0) for threshold in tuned.thresholds.values())
    spiking.convert(tuned, TRAITS)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no steps": ({"levels": 0}, "levels.*at least 1"),
    "no pass": ({"epochs": 0}, "epochs.*at least 1"),
    "half a sample": ({"batch": 0.5}, "batch.*at least 1"),
    "no rate": ({"learning_rate": float("nan")}, "learning rate"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_schedule_that_cannot_be_is_refused(case: str, varied: Network) -> None:
    given, words = BAD[case]
    with pytest.raises(DataError, match=words):
        fine_tune(varied, {"x": np.zeros((2, 2, 8, 8))}, np.zeros(2), schedule=Schedule(**given))


def test_work_is_bounded_and_targets_fit(varied: Network) -> None:
    x = {"x": np.ones((6, 2, 8, 8), dtype=np.float32)}
    with pytest.raises(RefusedError, match="more than"):
        fine_tune(varied, x, np.zeros(6, dtype=int), schedule=Schedule(mac_budget=10.0))
    with pytest.raises(DataError, match="5 targets for 6 samples"):
        fine_tune(varied, x, np.zeros(5, dtype=int))
