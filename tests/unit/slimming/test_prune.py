"""Pruning: a cut model computes what the whole one does with the cut weights zero, and nothing is cut by guess."""

import json

import numpy as np
import onnx
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from tests.support.random_networks import Builder, Made, convnets, fused_heads, grouped_heads, transformers

from twentywatts.errors import InputError, ModelError
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.cutting.coupling import coupled, groups
from twentywatts.slimming.cutting.cut import cut, masked
from twentywatts.slimming.steps.prune import atoms_of, prune, prune_to, widths

ort = pytest.importorskip("onnxruntime")


def outputs(content: bytes, samples: int = 2) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    spec = session.get_inputs()[0]
    shape = [samples, *spec.shape[1:]]
    x = np.random.default_rng(7).normal(size=shape).astype(np.float32)
    return session.run(None, {spec.name: x})[0]


def check_cut(content: bytes, random: np.random.Generator) -> None:
    """Cut units at random, and compare with the model whose weights that read them are zero."""
    coupling = coupled(content)
    np.testing.assert_allclose(outputs(coupling.settled.content), outputs(content), rtol=1e-5, atol=1e-6)
    gone = []
    for group in coupling.groups:
        count = random.integers(0, group.unit_count)
        gone.append(random.permutation(group.atoms)[:count])
    atoms = np.concatenate(gone) if gone else np.zeros(0, dtype=np.int64)
    small, whole = cut(coupling, atoms), masked(coupling, atoms)
    np.testing.assert_allclose(outputs(small), outputs(whole), rtol=1e-4, atol=1e-5)


@settings(max_examples=15)
@drawn(convnets(), st.integers(0, 2**32 - 1))
def test_cut_convolutional_networks_compute_the_same(made: Made, seed: int) -> None:
    check_cut(made.content, np.random.default_rng(seed))


@settings(max_examples=6)
@drawn(transformers(), st.integers(0, 2**32 - 1))
def test_cut_transformers_compute_the_same(made: Made, seed: int) -> None:
    check_cut(made.content, np.random.default_rng(seed))


def pair(b: Builder) -> Made:
    """Two convolutions and a dense layer: 16 and 12 channels, of which 12 are no multiple of 8."""
    x = b.add("Relu", b.conv(b.add("Relu", b.conv("x", 3, 16)), 16, 12))
    return b.model(["N", 3, 4, 4], b.add("Gemm", b.add("Flatten", x), b.weight(5, 192), b.weight(5), transB=1))


def units(made: Made) -> list[tuple[str, int, int]]:
    """Name, number of units, and constants' axes that go with them, of every group."""
    return [(group.name, group.unit_count, len(group.sites)) for group in coupled(made.content).groups]


def test_a_chain_has_a_group_for_each_layer_but_the_last() -> None:
    assert units(pair(Builder(1))) == [("Conv_0", 16, 3), ("Conv_2", 12, 3)]


def test_a_residual_sum_couples_all_it_adds() -> None:
    b = Builder(1)
    x = b.conv("x", 3, 8)
    x = b.add("Add", x, b.norm(b.conv(b.add("Relu", b.conv(x, 8, 16)), 16, 8), 8))
    made = b.model(["N", 3, 4, 4], b.conv(x, 8, 5))
    # both ends of the sum, four constants of the normalisation, and both layers that read it; then the inner pair
    assert units(made) == [("Conv_0", 8, 10), ("Conv_1", 16, 3)]


def test_depthwise_channels_go_with_those_they_come_from() -> None:
    b = Builder(1)
    made = b.model(["N", 3, 4, 4], b.conv(b.conv(b.conv("x", 3, 8), 8, 16, group=8), 16, 5))
    (group,) = coupled(made.content).groups
    assert group.unit_count == 8
    assert {site.positions.shape[1] for site in group.sites} == {1, 2}  # each gives two channels
    small = prune_to(Candidate(content=made.content), {group.name: 3}).content
    node = onnx.ModelProto.FromString(small).graph.node[1]
    assert [a.i for a in node.attribute if a.name == "group"] == [3]


def test_whole_heads_go_with_their_rows_of_every_matrix() -> None:
    b = Builder(1)
    made = b.model(["N", 6, 16], fused_heads(b, "x"))
    (group,) = coupled(made.content).groups
    assert group.unit_count == 4
    assert sorted(site.positions.shape[1] for site in group.sites) == [4, 12, 12]  # out; queries, keys and values
    assert group.step(8) == 2  # heads of four positions


def test_shared_keys_and_values_go_with_all_heads_that_read_them() -> None:
    b = Builder(1)
    made = b.model(["N", 6, 16], grouped_heads(b, "x", 2))
    assert {(group.unit_count, len(group.sites)) for group in coupled(made.content).groups} == {(2, 7)}


def test_widths_are_rounded_and_what_cannot_be_stays() -> None:
    given = Candidate(content=pair(Builder(1)).content)
    assert widths(prune(given, ratio=0.4).content) == {"Conv_0": 8, "Conv_2": 8}
    assert widths(prune(given, ratio=0.99).content) == {"Conv_0": 8, "Conv_2": 8}
    assert widths(prune(given, ratio={"Conv_2": 0.5}, round_to=1).content) == {"Conv_0": 16, "Conv_2": 6}
    assert widths(prune(given, ratio=0.9, round_to=16).content) == {"Conv_0": 16, "Conv_2": 12}
    assert prune(given, ratio=0.9, round_to=16).steps[-1].notes == ("no group could be made narrower",)


def test_the_units_of_least_weight_go() -> None:
    made = pair(Builder(1))
    model = onnx.ModelProto.FromString(made.content)
    for tensor in model.graph.initializer[:2]:  # kernel and bias
        value = np.array(onnx.numpy_helper.to_array(tensor))
        value[[3, 7, 11, 12]] *= 1e-3
        tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
    given = Candidate(content=model.SerializeToString())
    small = prune(given, ratio={"Conv_0": 0.25}, round_to=4)
    assert json.loads(str(small.steps[-1].settings["widths"])) == {"Conv_0": 12}
    coupling = coupled(given.content)
    whole = masked(coupling, atoms_of(coupling, {"Conv_0": [3, 7, 11, 12]}))
    np.testing.assert_allclose(outputs(small.content), outputs(whole), rtol=1e-4, atol=1e-5)


def test_a_global_ranking_takes_more_where_less_matters() -> None:
    given = Candidate(content=pair(Builder(1)).content)
    scores = {"c0": np.ones((16, 3, 3, 3)), "c2": np.ones((12, 16, 3, 3))}
    scores["c0"][:12] = 1e-4
    kept = widths(prune(given, ratio=0.25, round_to=1, scope="global", importance=scores).content)
    assert kept == {"Conv_0": 9, "Conv_2": 12}  # the seven least of 28


def test_what_is_not_understood_is_left_and_named() -> None:
    b = Builder(1)
    x = b.add("CumSum", b.conv("x", 3, 8), b.constant(np.array(1)))
    made = b.model(["N", 3, 4, 4], b.conv(b.conv(x, 8, 16), 16, 5))
    coupling = coupled(made.content)
    assert [group.name for group in coupling.groups] == ["Conv_2"]
    assert list(coupling.left) == ["CumSum_1"]
    assert any("CumSum_1" in note for note in prune(Candidate(content=made.content), ratio=0.5).steps[-1].notes)


def test_a_constant_that_a_loop_reads_is_left() -> None:
    b = Builder(1)
    x = b.conv("x", 3, 8)
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Neg", [x], ["n"])], "b", [], [onnx.ValueInfoProto(name="n")]
    )
    flag = b.add("Greater", b.add("ReduceMax", x, keepdims=0), b.constant(np.float32(0)))
    b.nodes.append(onnx.helper.make_node("If", [flag], ["i"], name="If", then_branch=branch, else_branch=branch))
    made = b.model(["N", 3, 4, 4], b.conv("i", 8, 5))
    assert coupled(made.content).groups == ()


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"ratio": 1.0}, "share from 0"),
        ({"ratio": float("nan")}, "share from 0"),
        ({"ratio": {"Conv_9": 0.5}}, "no group 'Conv_9'"),
        ({"ratio": {"Conv_0": "half"}}, "share from 0"),
        ({"ratio": 0.5, "round_to": 0}, "round_to"),
        ({"ratio": 0.5, "scope": "all"}, "scope"),
        ({"ratio": 0.5, "importance": "luck"}, "magnitude"),
        ({"ratio": 0.5, "importance": {"c0": np.ones(3)}}, "shape"),
    ],
)
def test_bad_settings_are_refused(settings_: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        prune(Candidate(content=pair(Builder(1)).content), **settings_)


@pytest.mark.parametrize("kept", [{"Conv_0": 0}, {"Conv_0": 17}, {"Conv_0": 2.5}, {"nothing": 1}])
def test_bad_widths_are_refused(kept: dict) -> None:
    with pytest.raises(InputError):
        prune_to(Candidate(content=pair(Builder(1)).content), kept)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x0a" * 64, pair(Builder(1)).content[:-40]])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError):
        coupled(content)


def transformer() -> bytes:
    """One layer behind a normalisation: width 16, heads that share keys, 24 neurons."""
    b = Builder(2)
    x = b.dense("x", 8, 16)
    x = b.add("Add", x, grouped_heads(b, b.add("LayerNormalization", x, b.weight(16), b.weight(16)), 4))
    inner = b.add("Relu", b.dense(b.add("LayerNormalization", x, b.weight(16), b.weight(16)), 16, 24))
    x = b.add("Add", x, b.dense(inner, 24, 16))
    return b.model(["N", 6, 8], b.dense(b.add("ReduceMean", x, b.numbers(1), keepdims=0), 16, 3)).content


def test_the_width_of_a_transformer_is_cut_only_where_asked() -> None:
    given = Candidate(content=transformer())
    assert sorted(widths(given.content).values()) == [4, 24]  # heads and neurons
    wide = {group.unit_count: group.is_exact for group in groups(given.content, through_norms=True)}
    assert wide == {16: False, 4: True, 24: True}
    small = prune(given, ratio=0.5, round_to=4, through_norms=True)
    assert sorted(widths(small.content, through_norms=True).values()) == [2, 8, 12]
    assert outputs(small.content).shape == (2, 3)
    assert np.isfinite(outputs(small.content)).all()


def test_a_constant_that_others_are_made_of_stays_whole() -> None:
    b = Builder(2)
    table = b.weight(300, 16)  # words in and, turned, words out: 4800 numbers that are held once
    x = b.add("Gather", table, "x", axis=0)
    x = b.add("Add", x, b.dense(b.add("Relu", b.dense(x, 16, 32)), 32, 16))
    scores = b.add("MatMul", x, b.add("Transpose", table, perm=[1, 0]))
    model = onnx.ModelProto.FromString(b.model(["N", 4], scores).content)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    given = Candidate(content=model.SerializeToString())
    assert list(widths(given.content).values()) == [32]
    small = onnx.ModelProto.FromString(prune(given, ratio=0.5).content)
    assert [300, 16] in [list(tensor.dims) for tensor in small.graph.initializer]
    assert len([tensor for tensor in small.graph.initializer if 300 in tensor.dims]) == 1


def test_a_small_file_does_not_become_a_large_one() -> None:
    b = Builder(2)
    large = b.add("ConstantOfShape", b.numbers(64, 64, 1024))  # 16 MB of zeros
    made = b.model(["N", 64, 64, 1024], b.add("Add", "x", large))
    assert len(coupled(made.content).settled.content) < 2000


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [
        ("Transpose", ["x"], {"perm": [0, 9]}),
        ("Conv", ["x"], {}),
        ("Concat", [], {"axis": 1}),
        ("Split", ["x"], {"axis": -7}),
        ("Softmax", ["x"], {"axis": 2**40}),
        ("Gather", ["x", "x"], {}),
    ],
)
def test_a_layer_that_makes_no_sense_is_left(op: str, inputs: list[str], attributes: dict) -> None:
    b = Builder(2)
    x = b.conv(b.conv("x", 3, 16), 16, 8)
    b.nodes.append(onnx.helper.make_node(op, inputs and [x, *inputs[1:]], ["odd"], name="odd", **attributes))
    made = b.model(["N", 3, 4, 4], "odd")
    coupling = coupled(made.content)
    assert [group.name for group in coupling.groups] == (["Conv_0"] if inputs else [])
    if inputs:
        assert list(coupling.left) == ["odd"]
