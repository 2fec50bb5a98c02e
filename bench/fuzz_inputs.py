"""Damage valid models and data files at random; only InputError may come of reading them.

    python bench/fuzz_inputs.py [COUNT] [SEED]

Prints how many damaged files were refused, how many were still readable, and every one that ended otherwise. Each block
of files is read in a process of its own, so that a crash of native code is found and named too. Exit code 1 if any.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

_LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
_NUMBERS = (-(2**63), -(2**31), -64, -2, -1, 0, 1, 2, 3, 7, 64, 2**31, 2**40, 2**62, 2**63 - 1)
_BLOCK = 250
_LIMIT_S = 60


# valid files ----------------------------------------------------------------------------------------------------------


def _info(name: str, shape: Sequence[int | str | None], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _constant(name: str, *shape: int, kind: type = np.float32) -> TensorProto:
    return numpy_helper.from_array(np.arange(int(np.prod(shape)), dtype=kind).reshape(shape), name)


def _model(nodes: list[onnx.NodeProto], inputs: list, outputs: list, constants: list, **more: object) -> bytes:
    graph = helper.make_graph(nodes, "fuzz", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, **more).SerializeToString()


def _convolution() -> bytes:
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], group=2, pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "s", "s", "s", "s"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], ceil_mode=1),
        helper.make_node("ConvTranspose", ["p", "t"], ["u"], strides=[2, 2]),
        helper.make_node("Resize", ["u", "", "scales"], ["z"], mode="linear"),
        helper.make_node("GlobalAveragePool", ["z"], ["g"]),
        helper.make_node("Reshape", ["g", "shape"], ["f"]),
        helper.make_node("Gemm", ["f", "m", "b2"], ["y"], transB=1),
    ]
    constants = [_constant("w", 4, 2, 3, 3), _constant("b", 4), _constant("s", 4), _constant("t", 4, 4, 2, 2)]
    constants += [numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"), _constant("m", 5, 4)]
    constants += [numpy_helper.from_array(np.array([0, -1]), "shape"), _constant("b2", 5)]
    return _model(nodes, [_info("x", ["N", 4, 8, 8])], [_info("y", ["N", 5])], constants)


def _sequence() -> bytes:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        helper.make_node("LSTM", ["e", "w", "r"], ["h", "", ""], hidden_size=2, direction="bidirectional"),
        helper.make_node("Shape", ["h"], ["s"]),
        helper.make_node("Slice", ["s", "zero", "one"], ["s0"]),
        helper.make_node("Concat", ["s0", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["h", "to"], ["f"]),
        helper.make_node("Einsum", ["f", "f"], ["q"], equation="bij,bkj->bik"),
        helper.make_node("Softmax", ["q"], ["a"], axis=-1),
        helper.make_node("Split", ["a"], ["y", "v"], axis=2, num_outputs=2),
        helper.make_node("TopK", ["v", "one"], ["k", "at"]),
        helper.make_node("Where", ["flag", "k", "k"], ["y2"]),
    ]
    constants = [_constant("table", 10, 3), _constant("w", 2, 8, 3), _constant("r", 2, 8, 2)]
    constants += [numpy_helper.from_array(np.array(v), n) for n, v in (("zero", [0]), ("one", [1]), ("rest", [4, -1]))]
    constants += [numpy_helper.from_array(np.array([True]), "flag")]
    inputs = [_info("ids", [6, "batch"], TensorProto.INT64)]
    return _model(nodes, inputs, [_info("y", None), _info("y2", None)], constants)  # type: ignore[arg-type]


def _quantised() -> bytes:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["v"]),
        helper.make_node("MatMul", ["d", "v"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "s", "z"], ["n"]),
        helper.make_node("DequantizeLinear", ["n", "s", "z"], ["y"]),
    ]
    constants = [_constant("w", 4, 6, kind=np.int8), numpy_helper.from_array(np.array(0.5, np.float32), "s")]
    constants += [numpy_helper.from_array(np.array(0, np.int8), "z")]
    return _model(nodes, [_info("x", [2, 4])], [_info("y", [2, 6])], constants)


def _functions() -> bytes:
    body = [helper.make_node("Mul", ["a", "a"], ["t"]), helper.make_node("Softmax", ["t"], ["b"])]
    body[1].attribute.append(AttributeProto(name="axis", type=AttributeProto.INT, ref_attr_name="axis"))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    inner = helper.make_function("local", "Inner", ["a"], ["b"], body, opsets, ["axis"])
    calls = [
        helper.make_node("Inner", ["p"], ["q"], domain="local", axis=1),
        helper.make_node("Inner", ["q"], ["r"], domain="local", axis=0),
    ]
    outer = helper.make_function("local", "Outer", ["p"], ["r"], calls, opsets)
    then = helper.make_graph([helper.make_node("Neg", ["h"], ["n"])], "then", [], [_info("n", None)])  # type: ignore[arg-type]
    other = helper.make_graph([helper.make_node("Abs", ["h"], ["p"])], "else", [], [_info("p", None)])  # type: ignore[arg-type]
    nodes = [
        helper.make_node("Outer", ["x"], ["h"], domain="local"),
        helper.make_node("If", ["yes"], ["i"], then_branch=then, else_branch=other),
        helper.make_node("FastGelu", ["i"], ["y"], domain="com.microsoft"),
    ]
    yes = numpy_helper.from_array(np.array(True), "yes")
    return _model(nodes, [_info("x", ["n", 3])], [_info("y", None)], [yes], functions=[inner, outer])  # type: ignore[arg-type]


def _samples() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, x=np.zeros((6, 4, 8, 8), np.float32), y=np.arange(6) % 2)
    return stream.getvalue()


@cache
def valid_files() -> dict[str, bytes]:
    """Return small valid files by name."""
    made = {"convolution": _convolution, "sequence": _sequence, "quantised": _quantised, "functions": _functions}
    files = {f"{name}.onnx": make() for name, make in made.items()}
    for name in ("bvlc_alexnet", "squeezenet", "zfnet512"):
        files[f"{name}.onnx"] = (_LIGHT / f"light_{name}.onnx").read_bytes()
    return files | {"samples.npz": _samples()}


# damage ---------------------------------------------------------------------------------------------------------------


def _flip(content: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _shuffle(content: bytes, rng: random.Random) -> bytes:
    """Copy, drop or repeat a piece."""
    start, size, place = (rng.randrange(len(content)) for _ in range(3))
    piece = content[start : start + size % 200]
    return content[:place] + piece * rng.choice((1, 1, 3)) + content[place + rng.choice((0, len(piece))) :]


def _damage_node(model: ModelProto, rng: random.Random) -> None:
    node = rng.choice(list(model.graph.node))
    what = rng.randrange(7)
    if what == 0 and node.attribute:
        _damage_attribute(rng.choice(list(node.attribute)), rng)
    elif what == 1 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(_names(model))
    elif what == 2 and node.output:
        node.output[rng.randrange(len(node.output))] = rng.choice(_names(model))
    elif what == 3:
        node.op_type = rng.choice([other.op_type for other in model.graph.node] + ["Loop", "Nothing", ""])
    elif what == 4:
        model.graph.node.append(node)
    elif what == 5:
        model.graph.node.remove(node)
    else:
        node.attribute.append(helper.make_attribute(rng.choice(("axis", "group", "axes")), rng.choice(_NUMBERS)))


def _names(model: ModelProto) -> list[str]:
    return ["", "nowhere", *(name for node in model.graph.node for name in (*node.input, *node.output))]


def _damage_attribute(attribute: AttributeProto, rng: random.Random) -> None:
    if attribute.type == AttributeProto.INTS and attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(_NUMBERS)
    elif attribute.type == AttributeProto.INT:
        attribute.i = rng.choice(_NUMBERS)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = rng.choice((b"", b"\xff\xfe", b"i..j", b"SAME_UPPER", b"..."))
    else:
        attribute.type = rng.choice(list(AttributeProto.AttributeType.values()))


def _damage_tensor(model: ModelProto, rng: random.Random) -> None:
    if not model.graph.initializer:
        return
    tensor = rng.choice(list(model.graph.initializer))
    what = rng.randrange(5)
    if what == 0 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_NUMBERS)
    elif what == 1:
        tensor.data_type = rng.choice((0, 1, 7, 8, 16, 22, 99, 2**30))
    elif what == 2:
        tensor.raw_data = tensor.raw_data[: rng.randrange(9)]
    elif what == 3:
        tensor.data_location = TensorProto.EXTERNAL
        place = rng.choice(("../x", "/etc/passwd", "weights.bin", "", "a\0b", "."))
        tensor.external_data.append(onnx.StringStringEntryProto(key="location", value=place))
    else:
        tensor.name = rng.choice(_names(model))


def _damage_model(model: ModelProto, rng: random.Random) -> None:
    what = rng.randrange(5)
    if what == 0:
        model.opset_import[0].version = rng.choice(_NUMBERS)
    elif what == 1:
        model.ir_version = rng.choice(_NUMBERS)
    elif what == 2 and model.graph.input:
        shape = model.graph.input[0].type.tensor_type.shape
        shape.dim[rng.randrange(len(shape.dim))].dim_value = rng.choice(_NUMBERS)
    elif what == 3 and model.functions:
        function = rng.choice(list(model.functions))
        rng.choice(list(function.node)).op_type = rng.choice(("Inner", "Outer", "Relu"))
    elif model.graph.output:
        model.graph.output[0].name = rng.choice(_names(model))


def _structure(content: bytes, rng: random.Random) -> bytes:
    """Damage the meaning of a model and leave its form whole."""
    model = ModelProto.FromString(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if model.graph.node:
            rng.choice((_damage_node, _damage_node, _damage_tensor, _damage_model))(model, rng)
    return model.SerializeToString()


def damaged(name: str, content: bytes, rng: random.Random) -> bytes:
    """Return a damaged copy of a valid file."""
    ways: list[Callable[[bytes, random.Random], bytes]] = [_flip, _cut, _shuffle]
    if name.endswith(".onnx"):
        ways += [_structure] * 4
    return rng.choice(ways)(content, rng)


# reading --------------------------------------------------------------------------------------------------------------


def attempt(name: str, content: bytes, folder: Path) -> str:
    """Return 'refused' or 'read', or what went wrong."""
    from twentywatts.counting import count
    from twentywatts.errors import InputError
    from twentywatts.readers import read
    from twentywatts.readers.samples import read_samples

    path = folder / name
    path.write_bytes(content)
    try:
        if name.endswith(".npz"):
            model = folder / "model-of-samples.onnx"
            if not model.exists():
                model.write_bytes(_convolution())
            read_samples(path, read(model))
        else:
            counts = count(path, batch=3)
            if min(counts.mac_count, counts.op_count, counts.weight_bytes, counts.activation_bytes) < 0:
                return "negative count"
            str(counts)
    except InputError as error:
        return "refused" if "\n" not in str(error) else f"more than one line: {error}"
    except Exception as error:  # what this script looks for
        return f"{type(error).__name__}: {error}"
    return "read"


def _one(number: int, seed: int, folder: Path) -> tuple[str, str]:
    rng = random.Random(seed * 1_000_003 + number)
    files = valid_files()
    name = rng.choice(sorted(files))
    return name, attempt(name, damaged(name, files[name], rng), folder)


def _block(numbers: range, seed: int, folder: Path) -> dict[int, tuple[str, str]]:
    """Read a block of damaged files in a process of its own; a number that is missing in the answer killed it."""
    log = folder / "log"
    child = os.fork()
    if child == 0:
        import signal

        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with log.open("w", encoding="utf-8") as file:
            for number in numbers:
                signal.alarm(_LIMIT_S)
                name, result = _one(number, seed, folder)
                file.write(f"{number}\t{name}\t{result!r}\n")
                file.flush()
        os._exit(0)
    os.waitpid(child, 0)
    rows = [line.split("\t", 2) for line in log.read_text(encoding="utf-8").splitlines()]
    return {int(number): (name, result.strip("'\"")) for number, name, result in rows}


def main(count: int = 10_000, seed: int = 0) -> int:
    """Damage and read ``count`` files; returns the number that ended in anything but a result or an InputError."""
    started = time.perf_counter()
    tally: Counter[str] = Counter()
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        first = 0
        while first < count:
            numbers = range(first, min(first + _BLOCK, count))
            done = _block(numbers, seed, Path(place))
            for number, (name, result) in done.items():
                tally[result if result in ("read", "refused") else "wrong"] += 1
                if result not in ("read", "refused"):
                    bad.append(f"{name} number {number} (seed {seed}): {result}")
            first = max(done, default=first - 1) + 1
            if first < numbers.stop:
                bad.append(f"number {first} (seed {seed}) ended the process")
                tally["wrong"] += 1
                first += 1
    print(f"{count} damaged files in {time.perf_counter() - started:.0f} s: {dict(tally)}")
    print("\n".join(bad[:50]))
    return len(bad)


def arguments() -> argparse.ArgumentParser:
    """Return what may be asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    return parser


if __name__ == "__main__":
    sys.exit(1 if main(**vars(arguments().parse_args())) else 0)
