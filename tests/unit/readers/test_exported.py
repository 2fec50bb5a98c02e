"""``.pt2`` files: read as the module that they were made of, and nothing that was put into one ever runs."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import pickle
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twentywatts as tw
from twentywatts.cli import main
from twentywatts.errors import MissingExtraError, ModelError
from twentywatts.readers.exported import clean_archive, load_program
from twentywatts.readers.exported.archive import members_of
from twentywatts.readers.exported.expressions import size_expression
from twentywatts.readers.torch_module import model_file

MARK = pytest.mark.torch
GRAPH = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
INPUTS = "data/sample_inputs/model.pt"
Members = dict[str, bytes]


class Payload:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        import os

        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def net() -> Any:
    pytest.importorskip("onnxscript")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3)).eval()


@pytest.fixture(scope="module")
def members(net: Any) -> Members:
    import torch

    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(net, (torch.zeros(2, 4, 4),), dynamic_shapes=({0: batch},))
    file = io.BytesIO()
    torch.export.save(program, file)
    with zipfile.ZipFile(file) as archive:
        return {entry.filename.partition("/")[2]: archive.read(entry) for entry in archive.infolist()}


def pack(path: Path, members: Mapping[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(f"model/{name}", content)
    return path


def edited(members: Members, name: str, change: Callable[[Any], None]) -> Members:
    document = json.loads(members[name])
    change(document)
    return {**members, name: json.dumps(document).encode()}


@MARK
def test_a_file_is_counted_and_compared_as_its_module(net: Any, members: Members, tmp_path: Path) -> None:
    path = pack(tmp_path / "digits.pt2", members)
    counts = tw.count(path, batch=3)
    assert (counts.mac_count, counts.batch, counts.model) == (3 * (16 * 12 + 12 * 3), 3, "digits.pt2")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.random((20, 4, 4), dtype=np.float32), y=np.arange(20) % 3)
    report = tmp_path / "report.json"
    given = ["compare", str(path), "--data", str(tmp_path / "data.npz"), "--on", "loihi", "--max-drop", "100%"]
    assert main([*given, "--json", str(report)]) == 0
    document = json.loads(report.read_text())
    assert document["model"]["mac_count"] == 16 * 12 + 12 * 3
    assert "loihi" in [row["machine"] for row in document["rows"]]


@MARK
def test_weights_and_open_batch_arrive_unchanged(net: Any, members: Members, tmp_path: Path) -> None:
    import torch

    program = load_program(pack(tmp_path / "model.pt2", members))
    x = torch.rand(5, 4, 4)
    assert torch.equal(program.module()(x), net(x))
    assert set(program.state_dict) == set(net.state_dict())


@MARK
def test_the_cleaned_archive_holds_no_pickle(members: Members, tmp_path: Path) -> None:
    with zipfile.ZipFile(clean_archive(pack(tmp_path / "model.pt2", members))) as archive:
        kept = {entry.filename.partition("/")[2]: archive.read(entry) for entry in archive.infolist()}
    assert members[INPUTS]
    assert kept[INPUTS] == b""
    raw = {name for name in kept if name.startswith("data/weights/weight_")}
    assert len(raw) == 9, "two of each linear layer, five of the normalisation"
    assert all(kept[name] == members[name] for name in raw), "numbers may begin with any byte, but must be the same"
    rest = [content for name, content in kept.items() if name not in raw and len(content) > 2]
    assert not any(content.startswith((b"PK", b"\x80")) for content in rest)
    assert json.loads(kept[GRAPH])["guards_code"] == []


@MARK
def test_a_pickle_in_any_member_never_runs(members: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    trap = tmp_path / "ran"
    file = io.BytesIO()
    torch.save(Payload(trap), file)
    beside = ["data/weights/model.pt", "data/constants/model.pt", "data/constants/custom_obj_0"]
    beside += ["data/constants/opaque_obj_0", "data/extra/notes", "data/weights/weight_99"]
    for number, name in enumerate([*members, *beside]):
        for content in (pickle.dumps(Payload(trap)), file.getvalue()):
            path = pack(tmp_path / f"{number}.pt2", {**members, name: content})
            with contextlib.suppress(ModelError):
                load_program(path)
            assert not trap.exists(), name
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    with contextlib.suppress(Exception):  # torch's own way does run it: the trap is one
        torch.export.load(pack(tmp_path / "evil.pt2", {**members, INPUTS: file.getvalue()}))
    assert trap.exists()


@MARK
@pytest.mark.parametrize("config", [WEIGHTS, CONSTANTS])
@pytest.mark.parametrize("name", ["weight_0", "tensor_0", "custom_obj_0", "opaque_obj_0"])
def test_weights_that_say_they_are_pickles_are_refused(
    config: str, name: str, members: Members, tmp_path: Path
) -> None:
    trap = tmp_path / "ran"
    entry = {"path_name": name, "is_param": False, "use_pickle": True, "tensor_meta": None}
    evil = edited(members, config, lambda document: document["config"].update(evil=entry))
    evil[f"{config.rpartition('/')[0]}/{name}"] = pickle.dumps(Payload(trap))
    with pytest.raises(ModelError, match="which could run code: if you trust the file, load it yourself"):
        load_program(pack(tmp_path / "evil.pt2", evil))
    assert not trap.exists()


def _node(**values: Any) -> Callable[[Any], None]:
    return lambda program: program["graph_module"]["graph"]["nodes"][0].update(values)


def _call(**values: Any) -> Callable[[Any], None]:
    return lambda program: program["graph_module"]["module_call_graph"][0]["signature"].update(values)


def _size(text: str) -> Callable[[Any], None]:
    def change(program: Any) -> None:
        tensors = program["graph_module"]["graph"]["tensor_values"]
        tensors["linear"]["sizes"][0] = {"as_expr": {"expr_str": text, "hint": {"as_int": 2}}}

    return change


def _argument(kind: str, value: Any) -> Callable[[Any], None]:
    return _node(inputs=[{"name": "x", "arg": {kind: value}, "kind": 1}])


ENUM = {"type": "builtins.tuple", "context": '{"__enum__": true, "fqn": "this:s", "name": "x"}', "children_spec": []}
HARMFUL = {
    "system": (_node(target="torch.os.system"), "is no operator of torch's aten library"),
    "attribute": (_node(target="torch.ops.aten.add.__class__"), "is no operator"),
    "packet": (_node(target="torch.ops.aten.add.op"), "is no operator"),
    "namespace": (_node(target="torch.ops.mine.add.default"), "is no operator"),
    "file": (_node(target="torch.ops.aten.from_file.default"), "is no operator"),
    "type": (_node(target=["torch.ops.aten.relu.default"]), "is no operator"),
    "name": (_node(name="x):\n    import os\n#"), "where a plain name belongs"),
    "word": (_node(name="import"), "where a name that is no word of Python belongs"),
    "text": (_argument("as_string", "' + open('/etc/passwd').read() + '"), "where a short plain text belongs"),
    "int": (_argument("as_int", "__import__('os')"), "where a whole number of 64 bits belongs"),
    "function": (_argument("as_operator", "torch.os.system"), "holds a function as a value"),
    "object": (_argument("as_custom_obj", {"name": "a", "class_fqn": "b"}), "holds a custom object"),
    "graph": (_argument("as_graph", {"name": "a", "graph": {}}), "a graph inside a graph"),
    "enum": (_call(in_spec=json.dumps([1, {**ENUM, "type": "enum"}])), "lie in 'enum', not in a tuple"),
    "size": (_size("__import__('os').mkdir('ran')"), "which is not evaluated"),
    "symbol": (_size("Symbol('__import__')"), "which is not evaluated"),
    "dialect": (lambda program: program.update(verifiers=["X"]), "is of the dialect"),
    "schema": (lambda program: program["schema_version"].update(major=9), "of schema 9, known is 8"),
    "range": (lambda program: program["range_constraints"].update(u999999999={}), "no symbol of a size"),
    "empty": (lambda program: program.clear(), "cannot be read"),
}


@MARK
@pytest.mark.parametrize("what", HARMFUL)
def test_what_torch_would_run_or_resolve_is_refused(what: str, members: Members, tmp_path: Path) -> None:
    change, reason = HARMFUL[what]
    path = pack(tmp_path / "evil.pt2", edited(members, GRAPH, change))
    with pytest.raises(ModelError, match=reason):
        clean_archive(path)


@MARK
def test_what_torch_would_run_besides_is_dropped(members: Members, tmp_path: Path) -> None:
    def change(program: Any) -> None:
        program["guards_code"] = ["__import__('os').mkdir('ran')"]
        program["graph_module"]["metadata"] = {"custom": "{}"}
        program["graph_module"]["graph"]["nodes"][0]["metadata"] = {"source_fn_stack": "x,torch.os.system"}
        _call(in_spec=json.dumps([1, {**ENUM, "children_spec": [ENUM]}]))(program)

    path = pack(tmp_path / "evil.pt2", edited(members, GRAPH, change))
    with zipfile.ZipFile(clean_archive(path)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(GRAPH)]
        text = archive.read(name).decode()
    assert not any(word in text for word in ("mkdir", 'custom"', "source_fn_stack", "__enum__"))


def test_torch_logs_no_traceback_of_what_it_cannot_load(
    members: Members, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def change(program: Any) -> None:
        for value in program["graph_module"]["graph"]["tensor_values"].values():
            value["sizes"] = []  # of which the strides know two

    path = pack(tmp_path / "net.pt2", edited(members, "models/model.json", change))
    with pytest.raises(ModelError, match="cannot load"):
        load_program(path)
    assert not caplog.records
    assert logging.root.manager.disable == 0


@MARK
def test_a_weight_beyond_its_bytes_is_refused(members: Members, tmp_path: Path) -> None:
    def change(document: Any) -> None:
        document["config"]["1.weight"]["tensor_meta"]["storage_offset"] = {"as_int": 1}

    with pytest.raises(ModelError, match=r"'1\.weight' in the \.pt2 archive lies outside its 768 bytes"):
        load_program(pack(tmp_path / "evil.pt2", edited(members, WEIGHTS, change)))


SIZES = "Add(FloorDiv(Add(Symbol('s0', positive=True, integer=True), Integer(-1)), Integer(2)), Integer(1))"


@pytest.mark.parametrize("text", [SIZES, "Pow(Symbol('s53'), Integer(2))", "Min(Integer(2), Symbol('u0'))"])
def test_sizes_of_the_exporter_pass_as_they_are(text: str) -> None:
    assert size_expression(text) == text


OTHER = """s0|1|Integer('1')|Symbol(s0)|Symbol('s0').x|Symbol('s0', **{})|eval('s0')|Pow(Integer(9), Integer(9))
Pow(Pow(Symbol('s0'), Integer(8)), Integer(8))|Function('s0')|lambda: 0|Integer(99999999999999999999)
Add(Integer(1), x=Integer(1))|Symbol('s0', positive='x')|Symbol('s0', bad=True)|Add()|Integer(True)"""


@pytest.mark.parametrize("text", ["", "Integer(" * 150, "Add(" * 5000, *OTHER.replace("\n", "|").split("|")])
def test_other_texts_of_sizes_are_refused(text: str) -> None:
    with pytest.raises(ModelError, match="which is not evaluated"):
        size_expression(text)


PLAIN = {"archive_format": b"pt2", "archive_version": b"0", GRAPH: b"{}"}
BOUNDS = {
    "names": ({**PLAIN, "../../etc/x": b""}, "is no name for a member"),
    "version": ({**PLAIN, "archive_version": b"1"}, "of another version than 0"),
    "format": ({"data.pkl": b"\x80\x04."}, "not one of torch.export.save"),
    "order": ({**PLAIN, "byteorder": b"big"}, "big-endian"),
    "programs": ({**PLAIN, "models/b.json": b"{}"}, "holds 2 programs"),
    "compiled": ({**PLAIN, "data/aotinductor/model/x.so": b"\x7fELF"}, "compiled code"),
}


@pytest.mark.parametrize("what", BOUNDS)
def test_archives_beyond_the_known_are_refused(what: str, tmp_path: Path) -> None:
    given, reason = BOUNDS[what]
    with pytest.raises(ModelError, match=reason):
        members_of(pack(tmp_path / "model.pt2", given))


def test_files_that_are_no_such_archive_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    with pytest.raises(ModelError, match="there is no model file"):
        tw.count(path)
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=r"is not a \.pt2 archive"):
        tw.count(path)
    with pytest.raises(ModelError, match="is compressed or encrypted"):
        tw.count(pack(path, {**PLAIN, "data/weights/weight_0": bytes(10**6)}, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
    with pytest.raises(ModelError, match=r"older layout of torch 2\.8 and before"):
        tw.count(path)


def test_without_torch_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    path = pack(tmp_path / "model.pt2", PLAIN)
    with pytest.raises(MissingExtraError, match=r"pip install 'twentywatts\[torch\]'"), model_file(path):
        pass
