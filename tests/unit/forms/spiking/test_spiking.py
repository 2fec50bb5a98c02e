"""The event engine against a plain implementation: spikes, events, convergence, chips' weights."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from twentywatts.errors import DataError, RefusedError
from twentywatts.forms import spiking
from twentywatts.forms.spiking.conversion import Converted, Group
from twentywatts.machines import ProcessorTraits, SpikingTraits
from twentywatts.network import Network
from twentywatts.readers import read

node = helper.make_node
STEPS = (1, 2, 4, 8, 16)
# conv of the model below: stride, padding, groups
CONVOLUTIONS = {"conv0": (1, 1, 1), "conv1": (2, 1, 2), "conv2": (1, 0, 1)}


def traits(bits: int = 8, values: int | None = None, fan_in: int | None = None) -> SpikingTraits:
    return SpikingTraits(
        weight_bits=bits,
        weight_value_count=values,
        fan_in_count=fan_in,
        neurons_per_core_count=1024,
        synapses_per_core_count=2**20,
    )


@pytest.fixture(scope="module")
def network(models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Return conv, grouped conv with stride, max pooling, residual conv, dense readout with softmax."""
    rng = np.random.default_rng(11)
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c0"], name="conv0", pads=[1] * 4),
        node("Relu", ["c0"], ["r0"], name="r0"),
        node("Conv", ["r0", "w1", "b1"], ["c1"], name="conv1", pads=[1] * 4, strides=[2, 2], group=2),
        node("Relu", ["c1"], ["r1"], name="r1"),
        node("MaxPool", ["r1"], ["p1"], name="pool", kernel_shape=[2, 2], strides=[1, 1]),
        node("Conv", ["p1", "w2", "b2"], ["c2"], name="conv2"),
        node("Add", ["c2", "p1"], ["a2"], name="add"),
        node("Relu", ["a2"], ["r2"], name="r2"),
        node("Flatten", ["r2"], ["f"], name="flat"),
        node("Gemm", ["f", "w3", "b3"], ["g"], name="classes"),
        node("Softmax", ["g"], ["y"], name="soft"),
    ]
    constants = {
        "w0": rng.normal(0, 0.4, (4, 2, 3, 3)),
        "b0": rng.normal(0, 0.1, 4),
        "w1": rng.normal(0, 0.4, (6, 2, 3, 3)) * (rng.random((6, 2, 3, 3)) > 0.3),
        "b1": np.zeros(6),
        "w2": rng.normal(0, 0.4, (6, 6, 1, 1)),
        "b2": rng.normal(0, 0.1, 6),
        "w3": rng.normal(0, 0.3, (54, 5)),
        "b3": rng.normal(0, 0.1, 5),
    }
    path = tmp_path_factory.mktemp("spiking") / "small.onnx"
    models.save(path, nodes, constants, shape=("n", 2, 8, 8))
    return read(path)


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(5).random((40, 2, 8, 8)).astype(np.float32)}


@pytest.fixture(scope="module", params=[(8, None), (4, None), (9, 4)], ids=["8 bits", "4 bits", "4 values"])
def converted(request: pytest.FixtureRequest, network: Network, data: dict[str, np.ndarray]) -> Converted:
    bits, values = request.param
    return spiking.convert(spiking.prepare(network, data), traits(bits, values))


def kernel_of(group: Group, which: int = 0) -> np.ndarray:
    """Return whole weights as (out, in of the group, kernel, kernel)."""
    if group.analog:
        weight, groups = group.analog[0].linear.weight, 1
    else:
        weight, groups = group.synapses[which].wiring.weight, group.synapses[which].geometry.groups
    channels, entries, width = weight.shape
    side = round(entries**0.5)
    parted = weight.reshape(groups, channels // groups, side, side, width)
    return parted.transpose(0, 4, 1, 2, 3).reshape(groups * width, channels // groups, side, side)


def convolve(x: np.ndarray, kernel: np.ndarray, stride: int, pad: int, groups: int) -> np.ndarray:
    """Return a convolution by plain loops over output positions."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    out, width, side, _ = kernel.shape
    rows = (x.shape[1] - side) // stride + 1
    result = np.zeros((out, rows, rows), dtype=np.result_type(x, kernel))
    for channel in range(out):
        first = channel // (out // groups) * width
        for i in range(rows):
            for j in range(rows):
                window = x[first : first + width, i * stride : i * stride + side, j * stride : j * stride + side]
                result[channel, i, j] = (window * kernel[channel]).sum()
    return result


def plain_run(
    converted: Converted, x: np.ndarray, steps: int
) -> tuple[dict[str, np.ndarray], dict[str, list[int]], Any]:
    """Return spike trains, events by step and the readout of one sample, computed step by step without events."""
    conv0, conv1, _, add, classes = converted.groups
    bias = {g.name: g.bias.reshape(g.positions, g.channels).T for g in converted.groups}
    shape = {"conv0": (4, 8, 8), "conv1": (6, 4, 4), "add": (6, 3, 3)}
    level = np.rint(x / conv0.analog[0].input_step)
    constant = np.rint(convolve(level, kernel_of(conv0), 1, 1, 1) * conv0.analog[0].factor)
    membrane = {g.name: np.full(shape[g.name], g.threshold // 2) for g in (conv0, conv1, add)}
    best, count, total = np.zeros((6, 3, 3)), np.zeros((6, 4, 4)), np.zeros(5)
    trains: dict[str, list[np.ndarray]] = {g.name: [] for g in converted.groups[:-1]}
    events: dict[str, list[int]] = {g.name: [] for g in converted.groups}

    def fired(group: Group, received: np.ndarray) -> np.ndarray:
        membrane[group.name] = membrane[group.name] + received + bias[group.name].reshape(received.shape)
        spikes = membrane[group.name] >= group.threshold
        membrane[group.name] = membrane[group.name] - spikes * group.threshold
        trains[group.name].append(spikes)
        return spikes.astype(np.int64)

    def heard(name: str, *pairs: tuple[np.ndarray, np.ndarray, tuple[int, int, int]]) -> np.ndarray:
        events[name].append(sum(int(convolve(s, (k != 0).astype(np.int64), *how).sum()) for s, k, how in pairs))
        return sum(convolve(s, k.astype(np.int64), *how) for s, k, how in pairs)

    for _ in range(steps):
        events["conv0"].append(0)
        s0 = fired(conv0, constant)
        s1 = fired(conv1, heard("conv1", (s0, kernel_of(conv1), (2, 1, 2))))
        count += s1
        windows = np.array([[count[:, i : i + 2, j : j + 2].max(axis=(1, 2)) for j in range(3)] for i in range(3)])
        sp = (windows.transpose(2, 0, 1) > best).astype(np.int64)
        best += sp
        trains["pool"].append(sp > 0)
        events["pool"].append(int(convolve(s1, np.ones((6, 1, 2, 2), dtype=np.int64), 1, 0, 6).sum()))
        identity = (sp, kernel_of(add, 1), (1, 0, 6))
        s2 = fired(add, heard("add", (sp, kernel_of(add, 0), (1, 0, 1)), identity))
        weight = classes.synapses[0].wiring.weight[:, 0]
        events["classes"].append(int((s2.ravel()[:, None] * (weight != 0)).sum()))
        total = total + s2.ravel() @ weight + bias["classes"][:, 0]
    return {k: np.array(v) for k, v in trains.items()}, events, total * classes.unit / steps


def test_spikes_and_events_equal_a_plain_implementation(converted: Converted, data: dict[str, np.ndarray]) -> None:
    x = data["x"][:4]
    trains = spiking.spike_trains(converted, {"x": x}, timesteps=12)
    done = spiking.run(converted, {"x": x}, timesteps=[12])
    wanted_events = {group.name: np.zeros(12) for group in converted.groups}
    for i, sample in enumerate(x):
        wanted, events, readout = plain_run(converted, sample.astype(np.float64), 12)
        for name, train in wanted.items():
            np.testing.assert_array_equal(trains[name][i], train.reshape(12, -1), err_msg=name)
            assert train.any(), name
        np.testing.assert_allclose(done.outputs[12][i].ravel(), readout)
        for name, counts in events.items():
            wanted_events[name] += counts
    for group, counts in zip(converted.groups, done.counts, strict=True):
        np.testing.assert_array_equal(counts.events, wanted_events[group.name], err_msg=group.name)


def test_largest_of_a_window_is_exact_after_every_step(converted: Converted, data: dict[str, np.ndarray]) -> None:
    trains = spiking.spike_trains(converted, {"x": data["x"][:3]}, timesteps=20)
    counts = trains["conv1"].cumsum(axis=1).reshape(3, 20, 6, 4, 4)
    windows = np.lib.stride_tricks.sliding_window_view(counts, (2, 2), axis=(3, 4)).max(axis=(5, 6))
    np.testing.assert_array_equal(trains["pool"].cumsum(axis=1), windows.reshape(3, 20, -1))


def test_many_steps_give_the_relu_network(network: Network, data: dict[str, np.ndarray]) -> None:
    exact = onnxruntime.InferenceSession(network.path).run(None, data)[0]
    converted = spiking.convert(spiking.prepare(network, data, percentile=100.0), traits(16))
    results = spiking.run_steps(converted, data, (4, 32, 256))
    errors = [float(np.abs(results[steps].outputs - exact).max()) for steps in (4, 32, 256)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


def test_counts_of_a_run_are_those_of_its_prefix(converted: Converted, data: dict[str, np.ndarray]) -> None:
    results = spiking.run_steps(converted, data, STEPS)
    alone = spiking.run_steps(converted, data, [4])[4]
    np.testing.assert_array_equal(results[4].outputs, alone.outputs)
    for field in ("synaptic_events", "updates", "spikes", "spikes_in"):
        np.testing.assert_array_equal(getattr(results[4].workload, field), getattr(alone.workload, field))
        np.testing.assert_array_equal(getattr(results[16].workload, field)[:, :4], getattr(alone.workload, field))


def test_threads_and_grouping_of_samples_change_nothing(converted: Converted, data: dict[str, np.ndarray]) -> None:
    many = {"x": np.concatenate([data["x"]] * 4)}
    one = spiking.run(converted, many, timesteps=[8], workers=1)
    four = spiking.run(converted, many, timesteps=[8], workers=4)
    single = spiking.run(converted, {"x": many["x"][77:78]}, timesteps=[8])
    np.testing.assert_array_equal(one.outputs[8], four.outputs[8])
    np.testing.assert_array_equal(one.outputs[8][77:78], single.outputs[8])
    for a, b in zip(one.counts, four.counts, strict=True):
        np.testing.assert_array_equal(a.events, b.events)


def test_workload_counts_neurons_synapses_and_macs(network: Network, data: dict[str, np.ndarray]) -> None:
    form = spiking.build(network, traits(), calibration=data, setting={"timesteps": 8})
    work = form.run(data).workload
    assert work.layers == ("conv0", "conv1", "pool", "add", "classes")
    np.testing.assert_array_equal(work.neuron_count, [256, 96, 54, 54, 5])
    np.testing.assert_array_equal(work.fan_in_count, [18, 18, 4, 7, 54])
    np.testing.assert_array_equal(work.weight_count, [72, 108, 24, 42, 270])
    np.testing.assert_array_equal(work.mac_count, [18 * 256, 0, 0, 0, 0])
    np.testing.assert_array_equal(work.op_count, [0, 0, 0, 0, 5 * (1 + 5)])  # the mean over steps, and a softmax
    assert work.shared_weights == (True, True, True, True, False)
    assert work.synaptic_events.shape == (5, 8)
    assert not work.synaptic_events[0].any()
    np.testing.assert_allclose(work.spikes_in[1], work.spikes[0])
    np.testing.assert_allclose(work.spikes_in[3], 2 * work.spikes[2])
    assert np.all(work.updates <= work.neuron_count[:, None])
    assert np.all(work.updates[[0, 3, 4]] > 0.99 * work.neuron_count[[0, 3, 4], None])  # a current may round to zero
    assert np.all(work.updates[1] < 96)  # this layer has no bias: only touched neurons are updated


def test_touched_neurons_are_counted_without_a_bias(models: ModuleType, tmp_path: Path) -> None:
    """One input fires in every step and reaches two neurons of three; a zero weight touches nothing."""
    nodes = [
        node("Relu", ["x"], ["r"], name="encode"),
        node("Gemm", ["r", "w0"], ["h"], name="hidden"),
        node("Relu", ["h"], ["k"], name="relu"),
        node("Gemm", ["k", "w1"], ["y"], name="out"),
    ]
    models.save(
        tmp_path / "m.onnx",
        nodes,
        {"w0": np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]), "w1": np.ones((3, 1))},
        shape=("n", 2),
    )
    network = read(tmp_path / "m.onnx")
    calibration = {"x": np.array([[1.0, 1.0]] * 4, dtype=np.float32)}
    form = spiking.build(network, traits(), calibration=calibration, setting={"timesteps": 4})
    work = form.run({"x": np.array([[1.0, 0.0]], dtype=np.float32)}).workload
    np.testing.assert_array_equal(work.spikes[0], [1, 1, 1, 1])
    np.testing.assert_array_equal(work.synaptic_events[1], [2, 2, 2, 2])
    np.testing.assert_array_equal(work.updates[0], [1, 1, 1, 1])
    np.testing.assert_array_equal(work.synapse_count, [2, 3, 3])
    np.testing.assert_array_equal(work.updates[1], [2, 2, 2, 2])


def test_zero_input_without_bias_gives_no_event(models: ModuleType, tmp_path: Path) -> None:
    nodes = [
        node("Gemm", ["x", "w0"], ["h"], name="hidden"),
        node("Relu", ["h"], ["k"], name="relu"),
        node("Gemm", ["k", "w1"], ["y"], name="out"),
    ]
    rng = np.random.default_rng(2)
    models.save(
        tmp_path / "m.onnx", nodes, {"w0": rng.integers(-7, 8, (6, 5)) / 7, "w1": np.ones((5, 3))}, shape=("n", 6)
    )
    calibration = {"x": rng.random((20, 6)).astype(np.float32)}
    form = spiking.build(read(tmp_path / "m.onnx"), traits(16), calibration=calibration, setting={"timesteps": 16})
    silent = form.run({"x": np.zeros((3, 6), dtype=np.float32)}).workload
    loud = form.run(calibration).workload
    for field in ("spikes", "synaptic_events", "updates", "spikes_in"):
        assert not getattr(silent, field).any(), field
    assert loud.synaptic_events[1].sum() == pytest.approx(3 * loud.spikes[0].sum())
    assert loud.spikes[0].sum() > 0


@given(
    row=st.lists(st.floats(-4, 4, allow_subnormal=False), min_size=1, max_size=60),
    bits=st.integers(2, 12),
    count=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_weights_stay_within_bits_and_values(row: list[float], bits: int, count: int) -> None:
    from twentywatts.forms.lowering.linear import dense
    from twentywatts.forms.spiking.quantise import few_values, scale_of, to_integers

    weight = np.array(row)[:, None]
    whole = to_integers(weight, scale_of(weight, bits), bits)
    assert np.abs(whole).max() <= 2 ** (bits - 1) - 1
    assert np.array_equal(whole, np.rint(whole))
    (few,) = few_values([dense(weight)], count)
    kept = few.weight[few.weight != 0]
    assert len(np.unique(kept)) <= count
    assert np.all((few.weight[:, 0] == 0) >= (weight == 0))
    assert np.abs(few.weight).max(initial=0) <= np.abs(weight).max() * (1 + 1e-12)


def test_settings_share_one_run(network: Network, data: dict[str, np.ndarray]) -> None:
    forms = spiking.build_all(network, traits(), calibration=data, settings=spiking.settings(traits()))
    assert [form.setting["timesteps"] for form in forms] == [1, 2, 4, 8, 16, 32]
    first = forms[0].run(data)
    assert forms[0].run(dict(data)) is first
    assert any("'soft' (Softmax)" in note for note in first.notes)
    assert any("analog" in note for note in first.notes)
    long = forms[4].run(data)
    assert forms[2].run(data) is not forms[4].run(data) is long
    other = {"x": data["x"] * np.float32(0.5)}
    assert forms[1].run(other).workload.synaptic_events.sum() != forms[1].run(data).workload.synaptic_events.sum()
    events = [form.run(data).workload.synaptic_events.sum() for form in forms]
    assert events == sorted(events)
    assert events[0] < events[-1]
    np.testing.assert_allclose(forms[5].run(data).outputs.sum(axis=1), 1.0, rtol=1e-5)


def test_fan_in_beyond_a_core_is_refused_by_name(network: Network, data: dict[str, np.ndarray]) -> None:
    with pytest.raises(RefusedError, match=r"layer 'classes' has 54 inputs.*takes 50"):
        spiking.build(network, traits(fan_in=50), calibration=data, setting={"timesteps": 4})


def test_bad_data_is_named(network: Network, data: dict[str, np.ndarray]) -> None:
    form = spiking.build(network, traits(), calibration=data, setting={"timesteps": 2})
    with pytest.raises(DataError, match="input 'x'"):
        form.run({"image": data["x"]})
    with pytest.raises(DataError, match=r"shape \(2, 8, 8\)"):
        form.run({"x": data["x"][:, :1]})
    with pytest.raises(DataError, match="calibrate input 'x'"):
        spiking.build(network, traits(), calibration={}, setting={"timesteps": 2})
    with pytest.raises(DataError, match="between 1 and 256"):
        spiking.build(network, traits(), calibration=data, setting={"timesteps": 0}).run(data)
    with pytest.raises(TypeError, match="neuromorphic"):
        spiking.build(network, ProcessorTraits(precisions=()), calibration=data, setting={"timesteps": 1})
