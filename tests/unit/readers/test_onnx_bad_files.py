"""Files that cannot be used end in one clear line, whatever is wrong with them."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper
from tests.support.onnx_models import constant, info, model_of, save, zeros

from twentywatts.cli import main
from twentywatts.errors import InputError, ModelError
from twentywatts.readers import read
from twentywatts.readers.files import MAX_FILE_BYTES, external_files
from twentywatts.readers.wire import check_message_count


def gemm() -> onnx.ModelProto:
    node = helper.make_node("Gemm", ["x", "w"], ["y"], name="gemm")
    return model_of([node], [info("x", ["N", 4])], ["y"], [zeros("w", 4, 3)])


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text or "external" in text
    return text


# the file itself ------------------------------------------------------------------------------------------------------


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "no model file" in refusal(tmp_path / "absent.onnx")
    assert "directory" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "regular file" in refusal(tmp_path / "pipe.onnx")
    for name in (tmp_path / ("n" * 5000), "a\0b.onnx"):
        with pytest.raises(ModelError, match="cannot be read"):
            read(name)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"", "empty"),
        (b"PK\x03\x04rest", "zip archive"),
        (pickle.dumps({"a": 1}), "pickle"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!doctype html>", "HTML"),
        (b"\xff" * 100, "not an ONNX file"),
        (b"plain words that are no model", "not an ONNX"),
        (b"\x08\x09", "no graph"),
    ],
)
def test_what_is_no_onnx(tmp_path: Path, content: bytes, hint: str) -> None:
    path = tmp_path / "file.onnx"
    path.write_bytes(content)
    assert hint in refusal(path)


def test_a_file_cut_short_anywhere(tmp_path: Path) -> None:
    content = gemm().SerializeToString()
    path = tmp_path / "cut.onnx"
    for size in range(1, len(content) - 1):
        path.write_bytes(content[:size])
        with contextlib.suppress(ModelError):  # a cut between two fields can leave a smaller model
            read(path)


def test_a_file_above_two_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert "external data" in refusal(path)


@pytest.mark.parametrize("batch", [0, -1, True, 1.5])
def test_a_batch_or_axis_below_one(tmp_path: Path, batch: int) -> None:
    with pytest.raises(InputError, match="whole number"):
        read(save(gemm(), tmp_path), batch=batch)
    with pytest.raises(InputError, match="axis 'N'"):
        read(save(gemm(), tmp_path), axes={"N": batch})


def test_more_messages_than_memory_holds() -> None:
    graph = b"\x0a\x00" * 6_000_000  # six million empty nodes in 12 MB
    size, length = len(graph), b""
    while size:
        length += bytes([size & 127 | (128 if size > 127 else 0)])
        size >>= 7
    with pytest.raises(ModelError, match="more than 5000000"):
        check_message_count(b"\x3a" + length + graph)
    check_message_count(b"\x00" * 10_000_000)  # no message at all


def test_numbers_without_end_are_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte of ``ir_version`` is valid protobuf, and would take minutes to walk through."""
    monkeypatch.setattr("twentywatts.readers.wire._MAX_FIELD_COUNT", 1000)
    with pytest.raises(ModelError, match="more than 1000 single values"):
        check_message_count(b"\x08\x01" * 5_000_000)


# the model ------------------------------------------------------------------------------------------------------------


def change(model: onnx.ModelProto, **what: Callable[[onnx.ModelProto], None]) -> onnx.ModelProto:
    for step in what.values():
        step(model)
    return model


def test_versions_newer_than_the_library(tmp_path: Path) -> None:
    model = gemm()
    model.opset_import[0].version = 999
    assert "opset 999" in refusal(save(model, tmp_path))
    model = gemm()
    model.ir_version = 999
    assert "pip install -U onnx" in refusal(save(model, tmp_path))


def test_a_cycle(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], name="first"), helper.make_node("Relu", ["a"], ["b"])]
    text = refusal(save(model_of(nodes, [info("x", [1])], ["a"]), tmp_path))
    assert "cycle" in text
    assert "first" in text


def test_names_made_twice_or_never(tmp_path: Path) -> None:
    twice = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["x"], ["a"])]
    assert "made twice" in refusal(save(model_of(twice, [info("x", [1])], ["a"]), tmp_path))
    over = [helper.make_node("Relu", ["x"], ["x"])]
    assert "cycle" in refusal(save(model_of(over, [info("x", [1])], ["x"]), tmp_path))
    weight = [helper.make_node("Relu", ["x"], ["w"])]
    assert "already" in refusal(save(model_of(weight, [info("x", [1])], ["w"], [zeros("w", 1)]), tmp_path))
    lost = [helper.make_node("Relu", ["nowhere"], ["a"], name="lost")]
    assert "'nowhere'" in refusal(save(model_of(lost, [info("x", [1])], ["a"]), tmp_path))
    none = [helper.make_node("Relu", ["x"], ["a"])]
    assert "made by no layer" in refusal(save(model_of(none, [info("x", [1])], ["z"]), tmp_path))
    double = model_of(none, [info("x", [1])], ["a"], [zeros("w", 1), zeros("w", 1)])
    assert "twice" in refusal(save(double, tmp_path))


@pytest.mark.parametrize(
    ("field", "value"),
    [("dims", [4, 300]), ("dims", [2**40, 2**40]), ("dims", [-4, 3]), ("dims", [0, 2**60]), ("data_type", 99)],
)
def test_tensors_that_lie(tmp_path: Path, field: str, value: object) -> None:
    model = gemm()
    tensor = model.graph.initializer[0]
    if field == "dims":
        del tensor.dims[:]
        tensor.dims.extend(value)  # type: ignore[arg-type]
    else:
        tensor.data_type = value  # type: ignore[assignment]
    text = refusal(save(model, tmp_path))
    assert "tensor 'w'" in text or "element type" in text


def test_an_input_of_an_impossible_size_or_type(tmp_path: Path) -> None:
    model = gemm()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**62
    assert "input 'x'" in refusal(save(model, tmp_path))
    model = gemm()
    model.graph.input[0].type.tensor_type.elem_type = 77
    assert "element type 77" in refusal(save(model, tmp_path))


def test_names_that_are_not_text(tmp_path: Path) -> None:
    content = gemm().SerializeToString().replace(b"gemm", b"g\xff\xfem")
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    assert "not text" in refusal(path)


# external data --------------------------------------------------------------------------------------------------------


def external(location: str, *, offset: object = None, length: object = None) -> onnx.ModelProto:
    model = gemm()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            tensor.external_data.append(onnx.StringStringEntryProto(key=key, value=str(value)))
    return model


def test_external_data_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    values = np.arange(14, dtype=np.float32)
    values.tofile(tmp_path / "w.bin")
    network = read(save(external("w.bin", offset=8, length=48), tmp_path))
    assert np.array_equal(network.weights["w"].read(), values[2:].reshape(4, 3))
    (tmp_path / "w.bin").unlink()
    with pytest.raises(ModelError, match="missing"):
        network.weights["w"].read()


@pytest.mark.parametrize("name", ["w.bin", "folder/" + "long" * 50 + ".data"])
def test_no_report_is_written_over_external_data(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    weights = tmp_path / name
    weights.parent.mkdir(exist_ok=True)
    np.arange(12, dtype=np.float32).tofile(weights)
    before = weights.read_bytes()
    path = save(external(name), tmp_path)
    assert external_files(path) == [weights.resolve()]
    (tmp_path / "other.json").hardlink_to(weights)
    for target in (weights, tmp_path / "other.json"):
        assert main(["count", str(path), "--json", str(target)]) == 2
        assert main(["compare", str(path), "--data", "d.npz", "--html", str(target)]) == 2
        assert capsys.readouterr().err.count("reads or writes that file already") == 2
        assert weights.read_bytes() == before


def test_files_without_external_data_name_none(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    assert external_files(save(gemm(), tmp_path)) == []
    assert [external_files(tmp_path / name) for name in ("empty.onnx", "absent.onnx", ".")] == [[], [], []]


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("absent.bin", "missing"),
        ("/etc/passwd", "relative"),
        ("../outside.bin", "outside"),
        ("sub/../../outside.bin", "outside"),
        ("..\\outside.bin", "relative"),
        ("C:\\outside.bin", "relative"),
        ("link.bin", "leads outside"),
        ("folder", "not a regular file"),
        ("", "without the name"),
        ("short.bin", "needs 48 bytes"),
        ("loop.bin", "external"),
    ],
)
def test_external_data_elsewhere(tmp_path: Path, location: str, hint: str) -> None:
    folder = tmp_path / "model"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "outside.bin").write_bytes(bytes(48))
    (folder / "short.bin").write_bytes(bytes(47))
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    (folder / "loop.bin").symlink_to(folder / "loop.bin")
    assert hint in refusal(save(external(location), folder))


@pytest.mark.parametrize(("offset", "length"), [(-1, None), ("many", None), (8, None), (0, 4), (0, 4000), (0, -48)])
def test_external_data_beyond_the_file(tmp_path: Path, offset: object, length: object) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(48))
    assert "tensor 'w'" in refusal(save(external("w.bin", offset=offset, length=length), tmp_path))


# functions and branches -----------------------------------------------------------------------------------------------


def function(name: str, calls: list[str]) -> onnx.FunctionProto:
    nodes = [helper.make_node("Relu", ["a"], ["t0"])]
    nodes += [helper.make_node(c, [f"t{i}"], [f"t{i + 1}"], domain="local") for i, c in enumerate(calls)]
    nodes.append(helper.make_node("Identity", [f"t{len(calls)}"], ["b"]))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, ["a"], ["b"], nodes, opsets)


def test_functions_that_call_themselves(tmp_path: Path) -> None:
    nodes = [helper.make_node("F", ["x"], ["y"], domain="local")]
    model = model_of(nodes, [info("x", [1])], ["y"], functions=[function("F", ["F"])])
    assert "nested deeper" in refusal(save(model, tmp_path))


def test_functions_that_double_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = [function(f"F{i}", [f"F{i + 1}"] * 20) for i in range(9)] + [function("F9", [])]
    nodes = [helper.make_node("F0", ["x"], ["y"], domain="local")]
    model = model_of(nodes, [info("x", [1])], ["y"], functions=functions)
    monkeypatch.setattr("twentywatts.readers.nodes.Program._node", None)  # they are counted, not one is made
    assert "more than 200000 layers when its functions are inlined" in refusal(save(model, tmp_path))


def test_a_branch_with_other_outputs(tmp_path: Path) -> None:
    body = helper.make_graph([helper.make_node("Neg", ["x"], ["n"])], "then", [], [])
    nodes = [helper.make_node("If", ["yes"], ["y"], then_branch=body, else_branch=body)]
    model = model_of(nodes, [info("x", [1])], ["y"], [constant("yes", True, bool)])
    assert "outputs" in refusal(save(model, tmp_path))


def test_attributes_of_another_type_are_no_crash(tmp_path: Path) -> None:
    model = model_of([helper.make_node("Softmax", ["x"], ["y"])], [info("x", [2, 3])], ["y"])
    model.graph.node[0].attribute.append(AttributeProto(name="axis", type=AttributeProto.STRING, s=b"\xff"))
    network = read(save(model, tmp_path))
    assert "y" in network.tensors
    assert len(network.unknown) == 1


def test_names_that_would_steer_a_terminal(tmp_path: Path) -> None:
    model = model_of([helper.make_node("Relu", ["a\n\x1b[2J"], ["y"])], [info("x", [1])], ["y"])
    text = refusal(save(model, tmp_path))
    assert "\x1b" not in text
