"""The crossbar form on whole models: accuracy, noise, counts, refusals."""

import numpy as np
import pytest
from onnx import helper

from twentywatts import forms
from twentywatts.counting import count
from twentywatts.errors import DataError, InputError, RefusedError
from twentywatts.forms.crossbar import build, build_all, settings
from twentywatts.machines import bundled_names, load, traits_of
from twentywatts.machines.traits import CrossbarTraits

FINE = {"adc_bits": 16, "weight_bits": 13, "input_bits": 12}
PLAIN = {"adc_bits": 8, "weight_bits": 9, "input_bits": 8}
RNG = np.random.default_rng(2)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def digits(models, tmp_path_factory):
    return models.digits_mlp(tmp_path_factory.mktemp("digits") / "digits.onnx")


@pytest.fixture(scope="module")
def convnet(models, tmp_path_factory):
    """Return a random network with plain, grouped and depthwise convolutions, a branch and a readout."""
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], name="plain", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"], name="relu"),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], name="grouped", group=2, pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c1", "r0"], ["a"], name="residual"),
        helper.make_node("Conv", ["a", "w2"], ["c2"], name="depthwise", group=4, strides=[2, 2]),
        helper.make_node("Flatten", ["c2"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], name="readout"),
    ]
    constants = {"w0": normal(4, 2, 3, 3), "b0": normal(4), "w1": normal(4, 2, 3, 3), "w2": normal(4, 1, 3, 3)}
    constants |= {"w3": normal(36, 3), "b3": normal(3)}
    network = models.save(tmp_path_factory.mktemp("conv") / "conv.onnx", nodes, constants, shape=("n", 2, 8, 8))
    return network, normal(40, 2, 8, 8)


def reference(network, x):
    form = forms.build("float", network, None, calibration={"x": x}, setting={"precision": "fp32"})
    return form.run({"x": x}).outputs


def relative_error(found, expected):
    return float(np.abs(found - expected).mean() / np.abs(expected).mean())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dac_bits": 1},
        {"dac_bits": 1, "analog_phases": True},
        {"signed_inputs": False},
        {"columns_per_weight": 1, "cell_bits": 5},
        {"columns_per_weight": 1, "cell_bits": 4, "offset_weights": True},
        {"rows": 8, "active_rows": 5},
        {"adc_bits": 0, "kind": "sram-digital"},
    ],
)
def test_ideal_arrays_equal_float(convnet, traits, changes):
    network, x = convnet
    setting = {**FINE, "adc_bits": changes.get("adc_bits", 16)}
    result = build(network, traits(**changes), calibration={"x": x}, setting=setting).run({"x": x})
    assert result.draws is None
    assert result.outputs.dtype == np.float32
    assert relative_error(result.outputs, reference(network, x)) < 0.005


def test_fewer_adc_bits_lose_more(convnet, traits):
    network, x = convnet
    choices = [{**FINE, "adc_bits": bits} for bits in (3, 5, 8, 12)]
    found = build_all(network, traits(), calibration={"x": x}, settings=choices)
    expected = reference(network, x)
    errors = [relative_error(form.run({"x": x}).outputs, expected) for form in found]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("key", ["programming_noise_frac", "read_noise_frac", "drift_exponent_sd"])
def test_more_noise_loses_more(convnet, traits, key):
    network, x = convnet
    expected, errors = reference(network, x), []
    for noise in (0.005, 0.02, 0.08):
        result = build(network, traits(**{key: noise}), calibration={"x": x}, setting=FINE).run({"x": x})
        assert np.array_equal(result.draws[0], result.outputs)
        assert not np.array_equal(result.draws[0], result.draws[1])
        errors.append(np.mean([relative_error(draw, expected) for draw in result.draws]))
    assert errors == sorted(errors)


def test_digits_keep_their_accuracy_on_a_plain_array_and_lose_it_in_noise(models, digits, traits):
    network, train, test, targets = digits
    wanted = models.accuracy(reference(network, test), targets)
    plain = build(network, traits(), calibration={"x": train}, setting=PLAIN).run({"x": test})
    assert abs(models.accuracy(plain.outputs, targets) - wanted) <= 0.01
    noisy = build(network, traits(programming_noise_frac=0.5), calibration={"x": train}, setting=PLAIN)
    draws = noisy.run({"x": test}).draws
    assert draws.shape == (5, len(test), 10)
    assert np.mean([models.accuracy(draw, targets) for draw in draws]) < wanted - 0.05


def test_same_seed_same_outputs_whatever_the_threads(convnet, traits, monkeypatch):
    network, x = convnet
    machine = traits(programming_noise_frac=0.03, read_noise_frac=0.02, dac_bits=2)

    def run(seed):
        return build(network, machine, calibration={"x": x}, setting=PLAIN, seed=seed).run({"x": x}).draws

    first = run(1)
    assert not np.array_equal(first, run(2))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert np.array_equal(first, run(1))


def test_settings_share_their_noise(convnet, traits):
    network, x = convnet
    machine = traits(programming_noise_frac=0.03)
    low, high = build_all(
        network, machine, calibration={"x": x}, settings=[{**PLAIN, "adc_bits": bits} for bits in (14, 16)]
    )
    found, expected = low.run({"x": x}), reference(network, x)
    between = relative_error(found.outputs, high.run({"x": x}).outputs)
    assert between < relative_error(found.outputs, expected) / 3


def test_counts_by_hand(models, tmp_path, traits):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("MaxPool", ["r"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "v"], ["y"], name="readout"),
    ]
    constants = {"w": np.ones((2, 1, 3, 3), np.float32), "v": np.ones((8, 3), np.float32)}
    network = models.save(tmp_path / "m.onnx", nodes, constants, shape=("n", 1, 4, 4))
    x = np.ones((6, 1, 4, 4), np.float32)
    work = build(network, traits(), calibration={"x": x}, setting=PLAIN).run({"x": x}).workload
    assert work.layers == ("conv", "readout")
    assert work.row_count.tolist() == [9, 8]
    assert work.column_count.tolist() == [2, 3]
    assert work.group_count.tolist() == [1, 1]
    assert work.vector_count.tolist() == [16, 1]
    # the largest code has only ones; of 16 windows × 9 places, (2 + 3 + 3 + 2)² = 100 lie inside the image
    assert work.active_frac[0] == pytest.approx(100 / 144)
    # conv: scale and bias 2 × 32, relu 32, pool 8 windows × 4; readout: scale and bias 2 × 3
    assert work.op_count.tolist() == [2 * 32 + 32 + 32, 6]
    assert work.output_bytes.tolist() == [32, 3]
    assert work.signed_inputs == (False, False)
    assert (work.input_bits, work.weight_bits, work.dac_bits, work.cell_bits, work.adc_bits) == (8, 9, 12, 4, 8)


def test_active_share_of_two_passes_is_half(models, tmp_path, traits):
    network = models.save(
        tmp_path / "m.onnx",
        [helper.make_node("Gemm", ["x", "w"], ["y"], name="g")],
        {"w": normal(4, 3)},
        shape=("n", 4),
    )
    x = np.tile(np.array([[1.0, -1.0, 1.0, -1.0]], np.float32), (5, 1))
    work = build(network, traits(signed_inputs=False), calibration={"x": x}, setting=PLAIN).run({"x": x}).workload
    assert work.signed_inputs == (True,)
    assert work.active_frac.tolist() == [0.5]


def test_dynamic_products_run_digitally_and_are_counted(models, tmp_path, traits):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["q"], name="query"),
        helper.make_node("Transpose", ["q"], ["t"], name="turn", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "t"], ["s"], name="scores"),
        helper.make_node("Softmax", ["s"], ["y"], name="softmax"),
    ]
    network = models.save(tmp_path / "m.onnx", nodes, {"w": normal(4, 4)}, shape=("n", 5, 4))
    x = normal(7, 5, 4)
    result = build(network, traits(), calibration={"x": x}, setting=FINE).run({"x": x})
    assert relative_error(result.outputs, reference(network, x)) < 0.01
    assert "scores" in result.notes[0]
    assert result.workload.vector_count.tolist() == [5]
    # query: 2 × 20; scores: 2 × 25 × 4; softmax: 5 × 25, as on a processor
    assert result.workload.op_count.tolist() == [40 + 200 + 125]
    assert next(layer.op_count for layer in count(network.path).layers if layer.op == "Softmax") == 125


def test_fixed_batch_gives_the_same(models, tmp_path, traits):
    node, weights = helper.make_node("Gemm", ["x", "w"], ["y"], name="g"), {"w": normal(6, 3)}
    x = normal(10, 6)
    outputs, counts = [], []
    for name, batch in (("open", "n"), ("fixed", 4)):
        network = models.save(tmp_path / f"{name}.onnx", [node], weights, shape=(batch, 6))
        result = build(network, traits(), calibration={"x": x}, setting=FINE).run({"x": x})
        outputs.append(result.outputs)
        counts.append(result.workload.vector_count.tolist())
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-5, atol=1e-5)
    assert counts == [[1.0], [1.0]]


@pytest.mark.parametrize("inputs", [{"x": np.zeros((3, 2, 8, 9))}, {"x": np.zeros((3, 128))}, {"z": np.zeros(3)}])
def test_bad_samples_are_one_clear_line(convnet, traits, inputs):
    network, x = convnet
    form = build(network, traits(), calibration={"x": x}, setting=PLAIN)
    with pytest.raises(DataError, match="'x'") as caught:
        form.run(inputs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "constants", "words"),
    [
        ([helper.make_node("Relu", ["x"], ["y"], name="only")], {}, "no matrix product"),
        (
            [helper.make_node("LSTM", ["x", "w", "r"], ["y"], name="memory", hidden_size=2)],
            {"w": normal(1, 8, 4), "r": normal(1, 8, 2)},
            "'memory' .LSTM.",
        ),
        (
            [helper.make_node("MatMul", ["x", "w"], ["y"], name="stack")],
            {"w": normal(3, 4, 4)},
            "'stack' .MatMul.: a stack",
        ),
        (
            [
                helper.make_node("Unsqueeze", ["x", "axis"], ["u"], name="more"),
                helper.make_node("Conv", ["u", "u"], ["y"], name="itself"),
            ],
            {"axis": np.array([1])},
            "'itself' .Conv.: its weights are not constant",
        ),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(models, tmp_path, traits, nodes, constants, words):
    network = models.save(tmp_path / "m.onnx", nodes, constants, shape=("n", 3, 4))
    x = normal(2, 3, 4)
    with pytest.raises(RefusedError, match=words):
        build(network, traits(), calibration={"x": x}, setting=PLAIN)


@pytest.mark.parametrize("change", [{"adc_bits": 17}, {"weight_bits": "many"}, {"input_bits": 13}])
def test_settings_that_the_machine_has_not_are_errors(digits, traits, change):
    network, train, _, _ = digits
    with pytest.raises(InputError, match=next(iter(change))):
        build(network, traits(), calibration={"x": train}, setting={**PLAIN, **change})


def bundled():
    found = [(name, traits_of(load(name))) for name in bundled_names()]
    return [(name, machine) for name, machine in found if isinstance(machine, CrossbarTraits)]


@pytest.mark.parametrize(("name", "machine"), bundled())
def test_every_bundled_crossbar_has_settings_and_runs_digits(models, digits, name, machine):
    network, train, test, targets = digits
    found = settings(machine)
    assert 1 <= len(found) <= 8
    assert all(setting["adc_bits"] <= machine.adc_bits for setting in found)
    assert len({tuple(setting.items()) for setting in found}) == len(found)
    last = build(network, machine, calibration={"x": train}, setting=found[-1]).run({"x": test})
    assert models.accuracy(last.outputs, targets) > models.accuracy(reference(network, test), targets) - 0.05


def test_what_fills_a_fixed_batch_is_counted_no_more_than_the_rest(models, tmp_path, traits):
    """Nine dark samples and a bright one, 64 at a time: a tenth of the input bits are ones, not five sixths."""
    node = helper.make_node("Gemm", ["x", "w"], ["y"], name="g")
    network = models.save(tmp_path / "m.onnx", [node], {"w": normal(6, 3)}, shape=(64, 6))
    x = np.repeat(np.array([0.0] * 9 + [1.0], np.float32)[:, None], 6, axis=1)
    result = build(network, traits(), calibration={"x": x}, setting=FINE).run({"x": x})
    assert len(result.outputs) == 10
    assert result.workload.active_frac[0] == pytest.approx(0.1, rel=0.1)
