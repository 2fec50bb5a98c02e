"""Depth: a dropped block is a block that adds nothing; what only looks like one stays; recipes know it."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.random_networks import Builder, Made, convnets, transformers

from twentywatts.errors import InputError, RefusedError
from twentywatts.forms.runtime import open_session
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.cutting.settle import settle
from twentywatts.slimming.shipping.recipe import rebuilt, recipe_of, weights_of
from twentywatts.slimming.steps.depth import blocks, harms, shallower, without_blocks
from twentywatts.slimming.steps.fold import fold
from twentywatts.slimming.steps.prune import prune


def residual(*scales: float) -> bytes:
    """A chain of residual blocks, each of which adds about ``scale`` of what it gets."""
    b = Builder(3)
    x = b.conv("x", 3, 8)
    for scale in scales:
        inner = b.conv(b.add("Relu", b.conv(x, 8, 8)), 8, 8, size=1)
        x = b.add("Add", b.add("Mul", inner, b.constant(np.float32(scale))), x)
    return b.model(["N", 3, 4, 4], b.dense(b.add("Flatten", x), 128, 5)).content


def outputs(content: bytes, inputs: dict[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    return np.asarray(open_session(content, what="test").run(None, inputs)[0])


def inputs_of(content: bytes, count: int = 3) -> dict[str, NDArray[np.generic]]:
    """Inputs of a random network, which has one of numbers."""
    (spec,) = open_session(content, what="test").get_inputs()
    sizes = [size if isinstance(size, int) else count for size in spec.shape]
    return {spec.name: np.random.default_rng(1).normal(size=sizes).astype(np.float32)}


def silenced(content: bytes, name: str, past: str) -> bytes:
    """The model with nothing added in a block: an independent way to say that it is gone."""
    model = onnx.ModelProto.FromString(settle(content).content)
    (node,) = [node for node in model.graph.node if node.name == name]
    node.input[1 - list(node.input).index(past)] = "nothing"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((), np.float32), "nothing"))
    return bytes(model.SerializeToString())


@settings(max_examples=15)
@drawn(st.one_of(convnets(), transformers()))
def test_a_dropped_block_is_one_that_adds_nothing(made: Made) -> None:
    given = inputs_of(made.content)
    for block in blocks(made.content):
        candidate = without_blocks(Candidate(content=made.content), [block.name])
        wanted = outputs(silenced(made.content, block.name, block.past), given)
        np.testing.assert_allclose(outputs(candidate.content, given), wanted, rtol=1e-5, atol=1e-6)
        assert len(candidate.content) < len(made.content)


def test_all_blocks_of_a_chain_go_at_once() -> None:
    content = residual(1, 1, 1)
    names = [block.name for block in blocks(content)]
    assert len(names) == 3
    bare = without_blocks(Candidate(content=content), names)
    assert blocks(bare.content) == ()
    kinds = [node.op_type for node in onnx.load_from_string(bare.content).graph.node]
    assert kinds.count("Conv") == 1
    assert "Mul" not in kinds
    assert bare.brief == "drop 3 of 3 blocks"


def nested(b: Builder, x: str) -> str:
    inner = b.add("Add", x, b.conv(x, 8, 8))
    return str(b.add("Add", x, b.conv(inner, 8, 8)))


LOOKALIKES: dict[str, tuple[Callable[[Builder, str], str], int]] = {
    "a formula": (lambda b, x: b.add("Add", x, b.add("Mul", x, x)), 0),
    "two ways beside each other": (lambda b, x: b.add("Add", b.conv(x, 8, 8), b.conv(x, 8, 8)), 0),
    "a bias": (lambda b, x: b.add("Add", b.conv(x, 8, 8), b.weight(8, 1, 1)), 0),
    "an input that is spread": (lambda b, x: b.add("Add", x, b.conv(b.add("GlobalAveragePool", x), 8, 8, size=1)), 1),
    "what is spread to the sum": (lambda b, x: b.add("Add", b.add("GlobalAveragePool", x), b.conv(x, 8, 8)), 0),
    "a block within a block": (nested, 1),
}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_only_looks_like_a_block_stays(name: str) -> None:
    part, count = LOOKALIKES[name]
    b = Builder(5)
    x = part(b, b.conv("x", 3, 8))
    content = b.model(["N", 3, 4, 4], b.dense(b.add("Flatten", x), 128, 5)).content
    assert len(blocks(content)) == count


def test_a_sum_that_is_an_output_stays() -> None:
    b = Builder(5)
    x = b.conv("x", 3, 8)
    total = b.add("Add", x, b.conv(x, 8, 8))
    model = onnx.ModelProto.FromString(b.model(["N", 3, 4, 4], total).content)
    model.graph.output.append(onnx.ValueInfoProto(name=total))
    assert blocks(model.SerializeToString()) == ()


def test_the_block_that_matters_least_goes_first() -> None:
    candidate = Candidate(content=residual(1.0, 1e-3, 1.0))
    x = inputs_of(candidate.content, 8)["x"]
    found = harms(candidate, Samples(name="some", inputs={"x": x}, targets=np.zeros(8, np.int64)))
    weakest = blocks(candidate.content)[1].name
    assert min(found, key=lambda name: found[name]) == weakest
    step = shallower(candidate, share_frac=0.3, matters=found).steps[-1]
    assert json.loads(str(step.settings["blocks"])) == [weakest]
    assert len(json.loads(str(shallower(candidate, share_frac=0.99, matters=found).steps[-1].settings["blocks"]))) == 2


def test_a_recipe_rebuilds_what_lost_blocks_and_channels() -> None:
    given = residual(1, 0.5, 1)
    candidate = fold(Candidate(content=given))
    candidate = prune(without_blocks(candidate, [blocks(candidate.content)[0].name]), ratio=0.5, round_to=2)
    recipe = json.loads(json.dumps(recipe_of(given, candidate)))
    assert recipe["rebuilds"], recipe.get("why_not")
    assert rebuilt(given, recipe, weights_of(candidate.content)) == candidate.content
    for wrong in ("relu", {"relu": 1}, [1], ["no such block"]):
        recipe["structure"][1]["blocks"] = wrong
        with pytest.raises(InputError, match="block"):
            rebuilt(given, recipe, weights_of(candidate.content))


def test_requests_that_make_no_sense_are_refused() -> None:
    candidate = Candidate(content=residual(1, 1))
    name = blocks(candidate.content)[0].name
    with pytest.raises(InputError, match=name):
        without_blocks(candidate, [name[:-1] + "x"])
    for share in (0, 1, -1, float("nan")):
        with pytest.raises(InputError, match="between 0 and 1"):
            shallower(candidate, share_frac=share, matters={"a": 1.0, "b": 1.0})
    with pytest.raises(RefusedError, match="no two residual blocks"):
        shallower(candidate, share_frac=0.5, matters={name: 1.0})
