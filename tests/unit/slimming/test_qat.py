"""Quantisation-aware fine-tuning: it rounds as onnxruntime's graph does, and repairs what rounding breaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from tests.support.onnx_models import constant, info, model_of

from twentywatts.errors import InputError, RefusedError
from twentywatts.forms.runtime import open_session
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.learning.distil import Schedule
from twentywatts.slimming.learning.qat import qat
from twentywatts.slimming.shipping.recipe import recipe_of
from twentywatts.slimming.steps.int8 import quantised

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

COUNT, CLASSES = 128, 4


def array(*shape: int, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def hostile(steep: float = 150.0) -> Candidate:
    """A convolving network one of whose channels is ``steep`` times as large as the others and hardly counts."""
    kernel, last = array(6, 2, 3, 3, seed=1), array(6, CLASSES, seed=2)
    kernel[0] *= steep
    last[0] /= steep
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], pads=[1] * 4),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    arrays = {"k": kernel, "w": last, "s": np.ones(6), "b": array(6), "m": np.zeros(6), "v": np.full(6, 2.0)}
    stored = [constant(name, value, np.float32) for name, value in arrays.items()]
    model = model_of(nodes, [info("x", ["n", 2, 5, 5])], ["y"], stored)
    return Candidate(content=model.SerializeToString())


def answers(candidate: Candidate, x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(open_session(candidate.content, what="model", optimise=False).run(None, {"x": x})[0])


def samples() -> Samples:
    x = array(COUNT, 2, 5, 5, seed=5)
    return Samples(name="train.npz", inputs={"x": x}, targets=answers(hostile(), x).argmax(axis=1))


@pytest.mark.parametrize("is_narrow", [False, True])
def test_the_rounded_module_is_the_graph_that_onnxruntime_quantised(is_narrow: bool) -> None:
    from twentywatts.slimming.learning.qat import _folded, _settled
    from twentywatts.slimming.learning.trainable import trainable
    from twentywatts.slimming.learning.training.rounding import Rounding, plan_of

    plain = Candidate(content=_settled(_folded(hostile())))
    graph = quantised(plain, samples().inputs, is_narrow=is_narrow)
    plan = plan_of(graph.content, is_narrow=is_narrow)
    assert set(plan.weights) == {"k", "w"}
    assert {"x", "r", "y"} <= set(plan.ranges)
    module = trainable(plain.content)
    rounding = Rounding(module, plan)
    x = samples().inputs["x"]
    with torch.no_grad(), rounding.weights():
        (found,) = module({"x": torch.from_numpy(x)}, (), rounding.seen).values()
    exact, rounded = answers(plain, x), answers(graph, x)
    np.testing.assert_allclose(found.numpy(), rounded, atol=1e-5 + 0.02 * np.abs(exact - rounded).max())
    kept = {name: value.clone() for name, value in module.state_dict().items()}
    with rounding.weights():
        assert not torch.equal(module.state_dict()[next(iter(kept))], kept[next(iter(kept))])
    assert all(torch.equal(value, kept[name]) for name, value in module.state_dict().items())


def test_what_rounding_breaks_is_repaired() -> None:
    data, teacher = samples(), hostile()
    found = qat(teacher, teacher=teacher, samples=data)
    assert found.content == qat(teacher, teacher=teacher, samples=data).content
    assert [step.name for step in found.steps] == ["fold", "qat"]
    assert recipe_of(teacher.content, found)["rebuilds"]
    settings = found.steps[-1].settings
    assert float(settings["loss_after"]) < 0.7 * float(settings["loss_before"])
    fresh = array(1000, 2, 5, 5, seed=11)
    wanted = answers(teacher, fresh).argmax(axis=1)
    plain, learned = (
        float((answers(quantised(c, data.inputs), fresh).argmax(axis=1) == wanted).mean()) for c in (teacher, found)
    )
    assert plain < 0.99 < learned


def test_planted_zeros_stay_zero() -> None:
    mask = array(6, 2, 3, 3, seed=1) > 0
    found = qat(hostile(), teacher=hostile(), samples=samples(), schedule=Schedule(epochs=1), keep={"k": mask})
    (kernel,) = (
        numpy_helper.to_array(t) for t in onnx.load_from_string(found.content).graph.initializer if t.name == "k"
    )
    assert np.array_equal(kernel != 0, mask)


def test_a_model_without_weights_that_could_be_rounded_is_refused() -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], [info("x", ["n", 2, 5, 5])], ["y"])
    bare = Candidate(content=model.SerializeToString())
    with pytest.raises(RefusedError, match="every weight of this model in float"):
        qat(bare, teacher=bare, samples=samples())


def test_a_schedule_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="epochs"):
        qat(hostile(), teacher=hostile(), samples=samples(), schedule=Schedule(epochs=0))
