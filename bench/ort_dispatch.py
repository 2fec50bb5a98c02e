"""Measure what one more operator costs onnxruntime on this CPU; prints microseconds per operator.

The figure launch_time_s of the CPUs comes from here: the slope of the run time over a chain of 10 and one of 510
element-wise operators on eight numbers, one thread, no fusion. A timing, so it changes from run to run.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

SHORT, LONG = 10, 510


def chain(count: int) -> onnxruntime.InferenceSession:
    """Return a session of ``count`` alternating Mul and Add nodes in a row."""
    nodes = [helper.make_node("Add" if i % 2 else "Mul", [f"x{i}", "c"], [f"x{i + 1}"]) for i in range(count)]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info(f"x{count}", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor("c", TensorProto.FLOAT, [8], [1.0001] * 8)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def median_s(count: int, runs: int, repeats: int = 30) -> float:
    """Return the median time of one run of a chain [s]."""
    session, x = chain(count), np.ones((1, 8), np.float32)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(runs):
            session.run(None, {"x0": x})
        times.append((time.perf_counter() - start) / runs)
    return float(np.median(times[1:]))


def main() -> None:
    """Print the cost of one operator and of one call."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    short_s, long_s = median_s(SHORT, 300), median_s(LONG, 20)
    slope_s = (long_s - short_s) / (LONG - SHORT)
    print(f"onnxruntime {onnxruntime.__version__}: {slope_s * 1e6:.2f} us per operator")
    print(f"one call from Python: {(short_s - SHORT * slope_s) * 1e6:.1f} us beyond its operators")


if __name__ == "__main__":
    main()
