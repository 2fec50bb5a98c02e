"""How long reading and counting take, and how much memory.

    python bench/count_speed.py [LAYERS]

Prints seconds and peak memory for ResNet-50 of the onnx package and for a generated graph of LAYERS layers (100,000 if
not given), each in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

_RESNET = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_resnet50.onnx"


def generated(layers: int, path: Path) -> None:
    """Write a chain of gated residual blocks (Conv, Sigmoid, Mul, Add), every fourth of another width."""
    nodes, constants, last = [], [], "x"
    for block in range(layers // 4):
        width = 8 + block % 4
        weight = np.zeros((8, 8, 1, width % 4 * 2 + 1), np.float32)
        constants.append(numpy_helper.from_array(weight, f"w{block}"))
        pads = [0, width % 4, 0, width % 4]
        nodes += [
            helper.make_node("Conv", [last, f"w{block}"], [f"c{block}"], name=f"conv{block}", pads=pads),
            helper.make_node("Sigmoid", [f"c{block}"], [f"s{block}"], name=f"gate{block}"),
            helper.make_node("Mul", [f"c{block}", f"s{block}"], [f"m{block}"], name=f"mul{block}"),
            helper.make_node("Add", [f"m{block}", last], [f"y{block}"], name=f"add{block}"),
        ]
        last = f"y{block}"
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 8, 4, 16])]
    outputs = [helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, ["N", 8, 4, 16])]
    graph = helper.make_graph(nodes, "generated", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def measure(label: str, path: str) -> None:
    """Read, count and print; run it in a fresh process for an honest peak."""
    started = time.perf_counter()
    from twentywatts.counting import count

    loaded = time.perf_counter()
    counts = count(path)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{label}: {len(counts.layers)} layers, {counts.mac_count / 1e9:.3f} G MAC, {len(counts.unknown)} unknown")
    print(f"  import {loaded - started:.2f} s, read and count {done - loaded:.2f} s, peak {peak:.2f} GiB")


def main() -> None:
    """Measure both models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", type=int, nargs="?", default=100_000)
    layers = parser.parse_args().layers
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated.onnx"
        steps = [(generated, (layers, path)), (measure, ("ResNet-50", str(_RESNET)))]
        steps.append((measure, (f"generated, {layers} layers", str(path))))
        for function, arguments in steps:  # a peak that a parent reached would count for its children
            process = context.Process(target=function, args=arguments)
            process.start()
            process.join()


if __name__ == "__main__":
    main()
