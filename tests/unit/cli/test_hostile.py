"""Hostile texts and broken streams: nothing steers the terminal, every failure is one line and exit code 2."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from twentywatts.cli import main
from twentywatts.reports.output import write_json

MODEL = Path(__file__).resolve().parents[3] / "examples" / "digits.onnx"
COMMAND = [sys.executable, "-m", "twentywatts"]
UGLY = "a\x1b[31m\u202e\u2028\x9bb"


def save(path: Path, *nodes: onnx.NodeProto) -> Path:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(np.ones((4, 3), np.float32), "w")]
    graph = helper.make_graph(list(nodes), "g", [x], [y], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def told(text: str) -> str:
    """Return what a command told without how far it was on a slow machine."""
    return "".join(line for line in text.splitlines(keepends=True) if not re.search(r" \(\d+ s\)$", line))


def is_harmless(text: str) -> bool:
    return all(letter.isprintable() or letter == "\n" for letter in text)


@pytest.mark.parametrize("options", [[], ["--json", "-"]])
def test_names_in_a_model_do_not_steer_the_terminal(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], [UGLY], name=f"layer {UGLY}"),
        helper.make_node(f"Odd{UGLY}", [UGLY], [f"{UGLY}2"], domain=UGLY, name=UGLY),
    ]
    assert main(["count", str(save(tmp_path / f"{UGLY}.onnx", *nodes)), *options]) == 0
    assert is_harmless(capsys.readouterr().out)


def test_json_keeps_a_text_that_it_escapes(tmp_path: Path) -> None:
    import json

    write_json({"schema": "x", "name": UGLY + "\udcff\x7f µ×"}, tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert is_harmless(text)
    assert "µ×" in text
    assert json.loads(text)["name"] == UGLY + "\udcff\x7f µ×"


def test_an_error_is_one_line_of_bounded_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save(tmp_path / "m.onnx", helper.make_node("Relu", ["n" * 1_000_000], ["y"]))
    for words in (["count", str(model)], ["count", "x" * 5000], ["compare", "m", "--batch", "9" * 5000], ["count"]):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert len(error) < 3000


def test_no_report_is_written_over_what_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, data, chip = tmp_path / "m.onnx", tmp_path / "d.npz", tmp_path / "c.toml"
    model.write_bytes(MODEL.read_bytes())
    chip.write_bytes((MODEL.parent / "mychip.toml").read_bytes())
    data.write_bytes(b"samples")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    compare = ["compare", str(model), "--data", str(data), "--on", f"loihi,{chip}"]
    for target in map(str, before):
        assert main(["count", str(model), "--json", str(model)]) == 2
        assert main(["machines", "show", str(chip), "--json", str(chip)]) == 2
        assert main([*compare, "--json", target]) == 2
        assert main([*compare, "--html", target]) == 2
    assert main([*compare, "--html", str(tmp_path / "out"), "--json", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("name another one") == 13
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (["compare", str(MODEL), "--data", "d.npz", "--train", ""], "--train"),
        (["slim", str(MODEL), "--data", "d.npz", "--train="], "--train"),
        (["count", ""], "an argument"),
        (["measure", "--resume", ""], "--resume"),
        (["measure", "--marks", "", "--", "true"], "--marks"),
        (["plan", "serving", "--on", "h100-sxm", "--tokens", "1e9", "--chips", ""], "--chips"),
    ],
)
def test_an_empty_argument_is_not_passed_over(line: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line) == 2
    assert capsys.readouterr().err == f"twentywatts: {named} is empty: is a variable of the shell not set?\n"


def test_the_command_that_is_measured_may_take_empty_arguments(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", "--quiet", "--", "echo", "", "a="]) == 0
    assert capfd.readouterr().out == " a=\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_encoding_of_the_terminal_can_be_written(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    for words in (["machines", "show", "loihi"], ["machines"], ["machines", "show", "loihi", "--json", "-"]):
        result = subprocess.run([*COMMAND, *words], capture_output=True, env=environment, check=False)
        assert result.returncode == 0, result.stderr
        assert not result.stderr
        result.stdout.decode("utf-8" if "--json" in words else encoding)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [["count", str(MODEL)], ["machines"], ["count", str(MODEL), "--json", "-"]])
def test_an_output_that_cannot_be_written_is_told(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert told(result.stderr).count("\n") == 1, result.stderr


@pytest.mark.parametrize("closed", ["1", "2"])
@pytest.mark.parametrize(
    "words", ["machines", "machines --json -", "count none.onnx", f"count {shlex.quote(str(MODEL))} --json -"]
)
def test_a_closed_stream_is_no_traceback(closed: str, words: str) -> None:
    line = f"exec {shlex.join(COMMAND)} {words} {closed}>&-"
    result = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert result.returncode == (2 if "none" in words else 0)
    assert "Traceback" not in result.stderr
    assert told(result.stderr).count("\n") <= 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_a_model_that_never_ends(tmp_path: Path) -> None:
    """A loop of 2^62 steps: onnxruntime does not look up, the command leaves all the same, and writes nothing."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["co"]), helper.make_node("Relu", ["v"], ["vo"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("co", TensorProto.BOOL, []),
            helper.make_tensor_value_info("vo", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("Constant", [], ["n"], value=numpy_helper.from_array(np.array(2**62))),
        helper.make_node("Constant", [], ["t"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("Loop", ["n", "t", "x"], ["h"], body=body),
        helper.make_node("MatMul", ["h", "w"], ["m"]),
        helper.make_node("MatMul", ["x", "w"], ["k"]),
        helper.make_node("Add", ["m", "k"], ["y"]),
    ]
    save(tmp_path / "m.onnx", *nodes)
    np.savez(tmp_path / "d.npz", x=np.ones((20, 4), np.float32), y=np.arange(20) % 3)
    words = ["compare", "m.onnx", "--data", "d.npz", "--on", "h100-sxm", "--json", "out.json"]
    process = subprocess.Popen([*COMMAND, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert any("running the reference" in line for line in process.stderr), "it is not inside"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.count("Traceback") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.npz", "m.onnx"]
