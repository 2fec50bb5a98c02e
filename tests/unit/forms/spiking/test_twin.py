"""The dense twin: bits that hold the steps, the same answer as one step, and integers computed in the plain way."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from onnx import helper

from twentywatts.errors import DataError
from twentywatts.forms import spiking
from twentywatts.forms.spiking.twin import run_twin
from twentywatts.machines import SpikingTraits
from twentywatts.network import Network
from twentywatts.readers import read
from twentywatts.workload import twin_bits

node = helper.make_node
TRAITS = SpikingTraits(
    weight_bits=8,
    weight_value_count=None,
    fan_in_count=None,
    neurons_per_core_count=1024,
    synapses_per_core_count=2**20,
)


@pytest.fixture(scope="module")
def network(models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Return conv, max pooling, conv, dense readout."""
    rng = np.random.default_rng(4)
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c0"], name="conv0", pads=[1] * 4),
        node("Relu", ["c0"], ["r0"], name="r0"),
        node("MaxPool", ["r0"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p", "w1", "b1"], ["c1"], name="conv1"),
        node("Relu", ["c1"], ["r1"], name="r1"),
        node("Flatten", ["r1"], ["f"], name="flat"),
        node("Gemm", ["f", "w2", "b2"], ["y"], name="classes"),
    ]
    sparse = rng.normal(0, 0.4, (5, 3, 2, 2)) * (rng.random((5, 3, 2, 2)) > 0.4)
    constants = {"w0": rng.normal(0, 0.4, (3, 1, 3, 3)), "b0": rng.normal(0, 0.1, 3), "w1": sparse}
    constants |= {"b1": rng.normal(0, 0.1, 5), "w2": rng.normal(0, 0.3, (20, 4)), "b2": rng.normal(0, 0.1, 4)}
    path = tmp_path_factory.mktemp("twin") / "small.onnx"
    models.save(path, nodes, constants, shape=("n", 1, 6, 6))
    return read(path)


DATA = {"x": np.random.default_rng(6).random((30, 1, 6, 6)).astype(np.float32)}


@pytest.mark.parametrize(
    ("steps", "bits"), [(1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (32, 6), (100, 7), (255, 8)]
)
def test_bits_hold_what_steps_tell_apart(steps: int, bits: int) -> None:
    assert twin_bits(steps) == bits
    assert 2**bits > steps >= 2 ** (bits - 1)


def test_no_step_has_no_twin() -> None:
    with pytest.raises(DataError, match="at least 1"):
        twin_bits(0)


def test_one_step_is_its_own_twin(network: Network) -> None:
    """A neuron that starts at half its threshold rounds its first input to one bit: nothing is left to differ."""
    converted = spiking.convert(spiking.prepare(network, DATA), TRAITS)
    once = spiking.run_steps(converted, DATA, [1])[1]
    twin = run_twin(converted, once.workload, DATA)
    np.testing.assert_allclose(twin.outputs, once.outputs, rtol=1e-6)
    for field in ("synaptic_events", "spikes", "spikes_in"):
        np.testing.assert_allclose(getattr(twin.workload, field), getattr(once.workload, field), err_msg=field)


def test_integers_are_those_of_a_plain_computation(network: Network) -> None:
    converted = spiking.convert(spiking.prepare(network, DATA), TRAITS)
    four = spiking.run_steps(converted, DATA, [4])[4]
    twin = run_twin(converted, four.workload, DATA)
    conv0, _, conv1, classes = converted.groups
    level = np.rint(DATA["x"] / conv0.analog[0].input_step)
    value = plain(level, conv0.analog[0].linear.weight, pad=1) * conv0.analog[0].factor
    value = rounded(np.rint(value) + conv0.bias.reshape(-1, 3).T.reshape(3, 6, 6), conv0.threshold)
    pooled = value.reshape(len(value), 3, 3, 2, 3, 2).max(axis=(3, 5))
    weight = conv1.synapses[0].wiring.weight
    value = plain(pooled, weight) + conv1.bias.reshape(-1, 5).T.reshape(5, 2, 2)
    value = rounded(value, conv1.threshold)
    answer = value.reshape(len(value), -1) @ classes.synapses[0].wiring.weight[:, 0] + classes.bias
    np.testing.assert_allclose(twin.outputs, answer * classes.unit, rtol=1e-5)
    assert twin.bits == twin.workload.graded_bits == 3
    assert twin.workload.timesteps == 1
    reached = plain((pooled != 0).astype(float), (weight != 0).astype(float)).sum() / len(pooled)
    np.testing.assert_allclose(twin.workload.synaptic_events[2], [reached])
    assert four.workload.synaptic_events.sum() > twin.workload.synaptic_events.sum()
    np.testing.assert_array_equal(twin.workload.mac_count, four.workload.mac_count)


def rounded(value: np.ndarray, threshold: int) -> np.ndarray:
    return np.floor(np.clip(value / threshold, 0, 1) * 7 + 0.5) / 7


def plain(x: np.ndarray, weight: np.ndarray, *, pad: int = 0) -> np.ndarray:
    """Return a convolution with weights (in, kernel entries, out)."""
    side = round(weight.shape[1] ** 0.5)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(2, 3))
    return np.einsum("ncijab,cabo->noij", windows, weight.reshape(weight.shape[0], side, side, -1))
