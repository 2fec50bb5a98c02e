"""Small models for the tests of forms, made with onnx.helper, and the Network that stands for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from twentywatts.network import Layer, Network, TensorSpec


def constant(name: str, array: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(array, dtype=np.float32), name)


def save(path: Path, nodes: Sequence[onnx.NodeProto], constants: dict[str, Any], *, shape: tuple[Any, ...]) -> Network:
    """Write a model with input x and the last node's first output; return its Network."""
    output = nodes[-1].output[0]
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [
            array
            if isinstance(array, onnx.TensorProto)
            else constant(name, array)
            if np.asarray(array).dtype.kind == "f"
            else numpy_helper.from_array(np.asarray(array), name)
            for name, array in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return network_of(path)


def network_of(path: Path) -> Network:
    """Return what forms need of a Network, without the reader."""
    graph = onnx.load(path, load_external_data=False).graph
    layers = tuple(
        Layer(
            name=node.name or node.output[0],
            op=node.op_type,
            inputs=tuple(node.input),
            outputs=tuple(node.output),
            domain=node.domain,
        )
        for node in graph.node
    )
    spec = TensorSpec(name="x", shape=None, dtype="float32", bits=32)
    return Network(
        name=path.stem,
        path=path,
        inputs=(spec,),
        outputs=(spec,),
        layers=layers,
        tensors={},
        weights={},
    )


def digits() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return (x / 16.0).astype(np.float32), y


def digits_mlp(path: Path) -> tuple[Network, np.ndarray, np.ndarray, np.ndarray]:
    """Return a trained classifier 64-32-10, training samples, test samples and test targets."""
    x, y = digits()
    fitted = MLPClassifier((32,), max_iter=60, random_state=0, tol=0.0, n_iter_no_change=60, early_stopping=False)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted.fit(x[:900], y[:900])
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["m0"], name="hidden"),
        helper.make_node("Add", ["m0", "b0"], ["a0"], name="bias"),
        helper.make_node("Relu", ["a0"], ["r0"], name="relu"),
        helper.make_node("Gemm", ["r0", "w1", "b1"], ["y"], name="readout"),
    ]
    weights = {
        "w0": fitted.coefs_[0],
        "b0": fitted.intercepts_[0],
        "w1": fitted.coefs_[1],
        "b1": fitted.intercepts_[1],
    }
    return save(path, nodes, weights, shape=("n", 64)), x[:900], x[900:], y[900:]


def accuracy(outputs: np.ndarray, targets: np.ndarray) -> float:
    return float(np.mean(outputs.reshape(len(outputs), -1).argmax(-1) == targets))
