import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tests.support.onnx_models import info, model_of

from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.steps.int8 import quantised
from twentywatts.slimming.timing.noop import Standing, effect, executed, idle_reason
from twentywatts.uncertain import Interval

RANDOM = np.random.Generator(np.random.PCG64(5))


def weight(name, *shape):
    return numpy_helper.from_array(RANDOM.standard_normal(shape).astype(np.float32), name)


def dense(hidden=16, *, gemm=True):
    """64 → hidden → 10, as Linear exports (Gemm) or as MatMul."""
    node = ("Gemm", ["x", "w", "b"]) if gemm else ("MatMul", ["x", "w"])
    nodes = [
        helper.make_node(node[0], node[1], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "v"], ["y"]),
    ]
    return model_of(
        nodes,
        [info("x", ("n", 64))],
        ["y"],
        [weight("w", 64, hidden), weight("b", hidden), weight("v", hidden, 10)],
    )


def candidate(model):
    return Candidate(content=model.SerializeToString())


BASE = candidate(dense())
CALIBRATION = {"x": RANDOM.standard_normal((32, 64)).astype(np.float32)}
FASTER = Interval(low=1.8, mid=2.0, high=2.1)


def changed(name, change=None):
    """The base after a step `name`, its graph changed in place by `change`; as it was where nothing changes it."""
    model = onnx.load_from_string(BASE.content)
    model.doc_string = "another file, the same model"
    if change:
        change(model)
    return BASE.then(Step(name=name), model.SerializeToString())


def set_weights(to):
    def change(model):
        for tensor in model.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(to(numpy_helper.to_array(tensor)), tensor.name))

    return change


@pytest.mark.parametrize("name", ["int8", "int4", "prune", "lowrank", "zeros", "fold", "distil", "qat"])
def test_every_step_that_did_nothing_is_caught(name):
    planted = changed(name)
    assert planted.digest != BASE.digest
    assert idle_reason(BASE, planted)
    found = effect(BASE, planted, saving=FASTER)
    assert found.standing is Standing.NONE
    assert "no effect" in found.sentence


def test_the_same_file_is_no_step():
    assert "byte for byte" in idle_reason(BASE, BASE.then(Step(name="anything"), BASE.content))


def test_eight_bits_that_run_are_recognised():
    small = quantised(BASE, CALIBRATION)
    assert idle_reason(BASE, small) == ""
    assert effect(BASE, small, saving=FASTER).standing is Standing.SAVES


def test_eight_bits_that_the_runtime_undoes_are_caught():
    """Nodes that quantise exist, and none of them is beside a product: the graph looks quantised and runs in float."""
    model = onnx.load_from_string(BASE.content)
    pair = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x8"]),
    ]
    model.graph.node[0].input[0] = "x8"
    nodes = [*pair, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(0.1), "scale"), numpy_helper.from_array(np.uint8(128), "zero")]
    )
    planted = BASE.then(Step(name="int8"), model.SerializeToString())
    assert "in float" in idle_reason(BASE, planted)


def test_four_bits_beside_a_gemm_are_caught_and_those_of_a_matmul_seen():
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    def four_bits(base):
        quantiser = MatMulNBitsQuantizer(onnx.load_from_string(base.content), block_size=32)
        quantiser.process()
        return base.then(Step(name="int4"), quantiser.model.model.SerializeToString())

    only_gemm = model_of(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])],
        [info("x", ("n", 64))],
        ["y"],
        [weight("w", 64, 16), weight("b", 16)],
    )
    gemm, product = candidate(only_gemm), candidate(dense(gemm=False))
    assert idle_reason(gemm, four_bits(gemm))
    assert idle_reason(product, four_bits(product)) == ""


def test_steps_that_did_something_are_recognised():
    def zeroed(array):
        return np.where(np.abs(array) < 0.5, 0, array).astype(array.dtype)

    narrow = BASE.then(Step(name="prune"), candidate(dense(hidden=8)).content)
    assert idle_reason(BASE, narrow) == ""
    assert idle_reason(BASE, changed("zeros", set_weights(zeroed))) == ""
    assert idle_reason(BASE, changed("distil", set_weights(lambda array: array + np.float32(1)))) == ""


def test_a_fold_needs_fewer_norms():
    def block(nodes):
        return model_of(nodes, [info("x", ("n", 4, 3))], ["y"], [weight(name, 4) for name in ("s", "b", "m", "v")])

    norm = helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"])
    base = candidate(block([norm]))
    plain = base.then(Step(name="fold"), block([helper.make_node("Identity", ["x"], ["y"])]).SerializeToString())
    assert idle_reason(base, plain) == ""


@pytest.mark.parametrize(
    ("saving", "standing"),
    [
        (Interval(low=1.2, mid=1.3, high=1.4), Standing.SAVES),
        (Interval(low=0.5, mid=0.6, high=0.7), Standing.COSTS),
        (Interval(low=0.9, mid=1.1, high=1.3), Standing.NONE),
        (Interval(low=1.005, mid=1.01, high=1.02), Standing.NONE),
        (Interval(low=0.975, mid=0.98, high=0.985), Standing.NONE),
    ],
)
def test_the_time_must_move_beyond_noise(saving, standing):
    narrow = BASE.then(Step(name="prune"), candidate(dense(hidden=8)).content)
    found = effect(BASE, narrow, saving=saving)
    assert found.standing is standing
    assert found.saving is saving


def test_a_step_that_changes_values_is_not_blamed_for_the_time():
    trained = changed("distil", set_weights(lambda array: array + np.float32(1)))
    assert effect(BASE, trained, saving=Interval(low=0.9, mid=1.0, high=1.1)).standing is Standing.KEPT


def test_without_a_time_nothing_is_claimed():
    narrow = BASE.then(Step(name="prune"), candidate(dense(hidden=8)).content)
    assert effect(BASE, narrow).standing is Standing.UNKNOWN


def test_what_runs_is_not_what_is_written():
    """A batch normalisation after a product, say, is there in the file and gone when it runs."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["y"]),
    ]
    weights = [
        weight("w", 8, 4, 1, 1),
        *(weight(name, 8) for name in "sbm"),
        numpy_helper.from_array(np.ones(8, np.float32), "v"),
    ]
    model = model_of(nodes, [info("x", ("n", 4, 3, 3))], ["y"], weights)
    assert executed(model.SerializeToString())["BatchNormalization"] == 0
