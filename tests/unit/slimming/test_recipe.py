"""Recipes and what ships: rebuilt bit for bit, nothing outside the folder, hostile files refused in one line."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from tests.support.golden import check_schema
from tests.support.random_networks import Builder, Made, convnets, transformers
from tests.unit.slimming.test_prune import transformer

from twentywatts.errors import InputError, ModelError
from twentywatts.readers.samples import Samples
from twentywatts.readers.state_file import read_state
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.shipping.artefacts import check_folder, safetensors, write_artefacts
from twentywatts.slimming.shipping.recipe import read_recipe, rebuilt, recipe_of, weights_of
from twentywatts.slimming.steps.fold import fold
from twentywatts.slimming.steps.lowrank import lowrank
from twentywatts.slimming.steps.prune import prune


def network() -> bytes:
    b = Builder(9)
    x = b.add("Relu", b.norm(b.conv(b.add("Relu", b.conv("x", 3, 16)), 16, 16), 16))
    return b.model(["N", 3, 4, 4], b.dense(b.add("Flatten", x), 256, 5)).content


def slimmed(given: bytes) -> Candidate:
    """Fold, prune, train (here: change every weight) and factor."""
    candidate = prune(fold(Candidate(content=given)), ratio=0.5, round_to=4)
    model = onnx.ModelProto.FromString(candidate.content)
    for tensor in model.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        if value.dtype == np.float32:
            tensor.CopyFrom(onnx.numpy_helper.from_array(value * np.float32(1.01), tensor.name))
    trained = candidate.then(Step(name="distil", settings={"epochs": 1}), model.SerializeToString())
    return lowrank(trained, keep_frac=0.5, round_to=1)


@settings(max_examples=5)
@drawn(st.one_of(convnets(), transformers()))
def test_every_recipe_rebuilds_the_same_bytes(made: Made) -> None:
    candidate = slimmed(made.content)
    recipe = json.loads(json.dumps(recipe_of(made.content, candidate)))
    assert recipe["rebuilds"], recipe.get("why_not")
    assert rebuilt(made.content, recipe, weights_of(candidate.content)) == candidate.content


def test_where_a_slice_begins_hangs_on_how_many_went_before_it() -> None:
    b = Builder(1)
    x = b.add("Slice", b.conv("x", 3, 12), b.numbers(4), b.numbers(8), b.numbers(1))
    given = b.model(["N", 3, 4, 4], b.conv(x, 4, 5)).content
    for seed in range(3):  # other units go each time
        random = np.random.default_rng(seed)
        scores = {name: random.uniform(size=value.shape) for name, value in weights_of(given).items()}
        candidate = prune(Candidate(content=given), ratio=0.5, round_to=1, importance=scores)
        assert recipe_of(given, candidate)["rebuilds"]


def test_what_ships_can_be_read_and_rebuilt(tmp_path: Path) -> None:
    given, folder = network(), tmp_path / "slim"
    candidate = slimmed(given)
    paths = write_artefacts(folder, original=given, floating=candidate, others={"model-int8.onnx": b"int8"})
    assert sorted(path.name for path in folder.iterdir()) == sorted(paths)
    recipe, weights = read_recipe(folder / "recipe.json"), read_state(folder / "model.safetensors")
    assert recipe["rebuilds"]
    assert rebuilt(given, recipe, weights) == (folder / "model.onnx").read_bytes() == candidate.content
    assert (folder / "model-int8.onnx").read_bytes() == b"int8"
    check_schema(recipe, "recipe-1")
    assert recipe["shapes"][next(iter(weights))] == list(weights[next(iter(weights))].shape)
    write_artefacts(folder, original=given, floating=candidate)  # ours may be written again


def test_the_width_of_a_transformer_is_rebuilt_too() -> None:
    given = transformer()
    candidate = prune(fold(Candidate(content=given)), ratio=0.5, round_to=4, through_norms=True)
    recipe = recipe_of(given, candidate)
    assert recipe["rebuilds"]
    check_schema(recipe, "recipe-1")


def test_a_recipe_that_does_not_rebuild_says_so() -> None:
    given = network()
    strange = Candidate(content=given).then(Step(name="by hand"), slimmed(given).content)
    recipe = recipe_of(given, strange)
    assert recipe["rebuilds"] is False
    assert recipe["why_not"]


def test_the_wrong_model_and_the_wrong_weights_are_refused() -> None:
    given = network()
    candidate = slimmed(given)
    recipe, weights = recipe_of(given, candidate), weights_of(candidate.content)
    with pytest.raises(InputError, match="another model"):
        rebuilt(given + b"\x00", recipe, weights)
    name = next(iter(weights))
    for wrong in ({}, {name: weights[name][:1]}, {name: weights[name].astype(np.float64)}):
        with pytest.raises(InputError, match="wants float32"):
            rebuilt(given, recipe, {**weights, **wrong} if wrong else {})
    with pytest.raises(InputError, match="not the one of the recipe"):
        rebuilt(given, recipe, {**weights, name: weights[name] + 1})


@pytest.mark.parametrize(
    "structure",
    [
        "fold",
        [{"name": "run"}],
        [{"name": ["widths"]}],
        [{"name": "widths"}],
        [{"name": "widths", "widths": {"Conv_0": -1}}],
        [{"name": "widths", "widths": {"Conv_0": 2**70}}],
        [{"name": "widths", "widths": {"Conv_0": True}}],
        [{"name": "widths", "widths": {"../../etc/passwd": 8}}],
        [{"name": "ranks", "ranks": {"MatMul_6": 10**9}}],
        [{"name": "fold"}] * 1001,
        [None],
    ],
)
def test_hostile_changes_are_refused(structure: object) -> None:
    given = network()
    recipe = {**recipe_of(given, fold(Candidate(content=given))), "structure": structure}
    with pytest.raises(InputError):
        rebuilt(given, recipe, weights_of(given))


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"[" * 100_000, b'{"schema": "twentywatts.recipe/2"}', b"\xff\xfe", b"x" * (2**24 + 1)]
)
def test_files_that_are_no_recipe_are_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "recipe.json"
    path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        read_recipe(path)
    assert len(str(caught.value)) < 300


def test_a_folder_of_somebody_else_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    given = network()
    with pytest.raises(InputError, match="other files"):
        write_artefacts(tmp_path, original=given, floating=Candidate(content=given))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    write_artefacts(tmp_path, original=given, floating=Candidate(content=given), force=True)
    assert (tmp_path / "thesis.tex").read_text() == "mine"
    with pytest.raises(InputError, match="not a folder"):
        check_folder(tmp_path / "thesis.tex")
    (tmp_path / "new" / ".search").mkdir(parents=True)
    check_folder(tmp_path / "new")


def test_links_are_replaced_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.onnx"
    outside.write_bytes(b"precious")
    folder = tmp_path / "slim"
    given = network()
    write_artefacts(folder, original=given, floating=Candidate(content=given))
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(outside)
    write_artefacts(folder, original=given, floating=Candidate(content=given))
    assert outside.read_bytes() == b"precious"
    assert (folder / "model.onnx").read_bytes() == given


def test_a_full_disk_costs_nothing_of_what_lay_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = network()
    write_artefacts(tmp_path, original=given, floating=Candidate(content=given))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    usual = Path.open

    def full(path: Path, *args: Any, **options: Any) -> Any:
        if path.name.startswith(".model.safetensors"):
            raise OSError(28, "No space left on device")
        return usual(path, *args, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(InputError, match="No space left"):
        write_artefacts(tmp_path, original=given, floating=slimmed(given))
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_a_killed_run_left_half_written_does_not_stand_in_the_way(tmp_path: Path) -> None:
    given = network()
    (tmp_path / ".search").mkdir()
    for name in (".model.onnx.123.part", ".model.safetensors.123.part"):
        (tmp_path / name).write_bytes(b"half")
    write_artefacts(tmp_path, original=given, floating=Candidate(content=given))
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("name", ["model.onnx", "model-int8.onnx", "model-int4.onnx", "model.pt2", "recipe.json"])
def test_a_folder_in_the_place_of_a_file_is_told_before_anything_is_searched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="is a folder where a file is to be written"):
        check_folder(tmp_path, force=True)


def test_what_was_given_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(network())
    (tmp_path / "other.onnx").hardlink_to(tmp_path / "model.onnx")
    for given in ("model.onnx", "other.onnx"):
        with pytest.raises(InputError, match="was given and would be written over"):
            check_folder(tmp_path, force=True, keep=[tmp_path / given])
    check_folder(tmp_path, force=True, keep=[tmp_path / "gone.onnx"])


def test_a_pipe_is_no_recipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "recipe.json")
    with pytest.raises(InputError, match="holds other files"):  # and does not wait for somebody to write
        check_folder(tmp_path)


@pytest.mark.parametrize("said", ["[", "[" * 100_000, "x"])
def test_a_step_that_does_not_say_what_it_did_is_told(said: str) -> None:
    given = network()
    with pytest.raises(InputError, match="does not say its widths"):
        recipe_of(given, Candidate(content=given).then(Step(name="prune", settings={"widths": said}), given))


@pytest.mark.parametrize("name", ["../evil.onnx", "/tmp/evil", ".hidden", "a/b", "", "con\n"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    given = network()
    with pytest.raises(InputError, match="not the name"):
        write_artefacts(tmp_path / "o", original=given, floating=Candidate(content=given), others={name: b""})


def test_weights_survive_their_file(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "b": np.float64(3.5).reshape(()),
        "ü": np.zeros((0, 4), dtype=np.float16),
    }
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors(arrays))
    found = read_state(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    "content",
    [
        (2**30).to_bytes(8, "little") + b"{}",  # a header of a gigabyte in a file of ten bytes
        (2**63).to_bytes(8, "little") + b"{}",
        b"\x02",
        (9).to_bytes(8, "little") + b'{"a": []}',
        *(
            len(text).to_bytes(8, "little") + text
            for shape, offsets in (
                ([2**40], [0, 4]),
                ([-1], [0, 4]),
                ([1], [-4, 0]),
                ([1], [0, 2**40]),
                (["x"], [0, 4]),
            )
            for text in [json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}).encode()]
        ),
    ],
)
def test_hostile_weights_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        read_state(path)


def shared() -> bytes:
    """Two layers whose biases of zero an exporter stored once, and a weight that a node makes."""
    b = Builder(3)
    bias = b.constant(np.zeros(8, dtype=np.float32))
    x = b.add("Relu", b.add("Gemm", b.add("Flatten", "x"), b.weight(48, 8), bias))
    x = b.add("Relu", b.add("Gemm", x, b.weight(8, 8), bias))
    model = onnx.ModelProto.FromString(b.model(["N", 3, 4, 4], b.dense(x, 8, 5)).content)
    last = model.graph.initializer[-1]
    node = onnx.helper.make_node("Constant", [], [last.name])
    node.attribute.append(onnx.helper.make_attribute("value", last))
    model.graph.node.insert(0, node)
    del model.graph.initializer[-1]
    return model.SerializeToString()


@pytest.mark.torch
@pytest.mark.parametrize("name", ["distil", "qat"])
def test_layers_that_shared_a_vector_learn_apart_and_are_rebuilt(name: str) -> None:
    pytest.importorskip("torch")
    from twentywatts.slimming.learning.distil import Schedule, distil
    from twentywatts.slimming.learning.qat import qat

    given = Candidate(content=shared())
    random = np.random.default_rng(0)
    x, y = random.normal(size=(64, 3, 4, 4)).astype(np.float32), random.integers(0, 5, 64)
    samples = Samples(name="train.npz", inputs={"x": x}, targets=y)
    trained = {"distil": distil, "qat": qat}[name](
        given, teacher=given, samples=samples, schedule=Schedule(epochs=3, batch=16, learning_rate=0.01)
    )
    recipe = json.loads(json.dumps(recipe_of(given.content, trained)))
    assert recipe["rebuilds"], recipe.get("why_not")
    assert {"name": "untied"} in recipe["structure"]
    check_schema(recipe, "recipe-1")
    assert rebuilt(given.content, recipe, weights_of(trained.content)) == trained.content
    biases = [value for key, value in weights_of(trained.content).items() if value.shape == (8,)]
    assert len(biases) == 2
    assert not np.array_equal(*biases)
