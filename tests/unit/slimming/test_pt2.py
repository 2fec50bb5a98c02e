"""Programs of torch.export: they answer as the ONNX model does, hold no pickle, and are read by our own reader."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tests.support.onnx_models import constant, info, model_of

from twentywatts.errors import DataError, RefusedError
from twentywatts.forms.runtime import open_session
from twentywatts.readers.exported import load_program
from twentywatts.slimming.learning.pt2 import exported

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def array(*shape: int, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def tokens(batch: Any = "n") -> bytes:
    """Tokens looked up, heads parted by the sizes of the input, a second input, two outputs."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        helper.make_node("Shape", ["e"], ["sizes"]),
        helper.make_node("Slice", ["sizes", "zero", "two"], ["lead"]),
        helper.make_node("Concat", ["lead", "heads"], ["parted"], axis=0),
        helper.make_node("Reshape", ["e", "parted"], ["h"]),
        helper.make_node("ReduceMean", ["h"], ["m"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["s"]),
        helper.make_node("Mul", ["s", "scale:0"], ["y"]),
    ]
    stored = [constant("table", array(11, 8), np.float32), constant("w", array(4, 3), np.float32)]
    stored += [constant("zero", [0]), constant("two", [2]), constant("heads", [2, 4])]
    inputs = [info("ids", [batch, 5], TensorProto.INT64), info("scale:0", [batch, 1])]
    return bytes(model_of(nodes, inputs, ["y", "m"], stored, opset=17).SerializeToString())


def feeds(count: int) -> dict[str, NDArray[Any]]:
    return {"ids": np.random.default_rng(1).integers(0, 11, (count, 5)), "scale:0": array(count, 1)}


def test_a_program_answers_as_the_model_on_any_number_of_samples_and_holds_no_pickle(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(exported(tokens(), inputs=feeds(2)))
    program = load_program(path).module()
    given = feeds(7)
    with torch.no_grad():
        found = program(*(torch.from_numpy(value) for value in given.values()))
    wanted = open_session(tokens(), what="model").run(None, given)
    assert len(found) == len(wanted) == 2
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-6)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert not any(content.startswith((b"\x80\x02", b"\x80\x04", b"PK\x03\x04")) for content in members.values())


def test_a_fixed_number_of_samples_stays_fixed() -> None:
    assert exported(tokens(3), inputs=feeds(3))


def test_samples_that_do_not_fit_and_layers_that_cannot_run_are_refused() -> None:
    with pytest.raises(DataError, match="scale:0"):
        exported(tokens(), inputs={"ids": feeds(2)["ids"]})
    node = helper.make_node("NonZero", ["x"], ["y"], name="where")
    with pytest.raises(RefusedError, match="where"):
        exported(model_of([node], [info("x", ["n", 3])], ["y"]).SerializeToString(), inputs={"x": array(2, 3)})
