"""Repair after a cut, without training: each layer's weights are fitted so that it gives what it gave before.

Layer by layer, in the order in which they run, the weights of a cut model are those that map its own activations (the
layers before are repaired already) to the outputs of the whole model, by least squares on calibration samples:

    min over D of  ‖X (W + D) − Y‖² + λ ‖D‖²        λ = a small share of the mean of the diagonal of XᵀX

No targets are needed, and no torch. Source: He et al. 2017 (arXiv 1707.06168), its reconstruction of feature maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import RefusedError
from twentywatts.forms.runtime import check_inputs, open_session, run_session, with_outputs
from twentywatts.network import Layer
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.cutting.coupling import Coupling, coupled
from twentywatts.slimming.cutting.settle import read_once, serialised
from twentywatts.slimming.steps.prune import Importance, Ratio, atoms_of, chosen, chosen_settings, without

__all__ = ["prune_repaired", "repaired"]

_SAMPLES = 1024
_BYTES = 2**27  # of the largest tensor of all samples
_MACS = 5e11  # of all the runs together: some ten seconds
_FEWEST = 8
_PRODUCTS = ("Conv", "Gemm", "MatMul")
_MOST_INPUTS = 2304  # of one output; a larger system of equations takes too long
_ROWS_PER_INPUT = 8
_RIDGE = 1e-2
_CHANGED = 1e-6  # relative; below it nothing before the layer was cut

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Product:
    """A layer that multiplies by a constant.

    output: the tensor that is fitted, after the bias. weight: shape (inputs, outputs). bias_name: empty where it adds
    nothing. scale: factor of the product. kernel: of a convolution, whose inputs are channels (of one group) and taps.
    """

    layer: Layer
    output: str
    weight: NDArray[Any]
    bias_name: str = ""
    bias: NDArray[Any] | None = None
    scale: float = 1.0
    kernel: tuple[int, ...] = ()


def prune_repaired(
    candidate: Candidate,
    calibration: Mapping[str, Any],
    *,
    ratio: Ratio,
    round_to: int = 8,
    importance: Importance = "magnitude",
    through_norms: bool = False,
) -> Candidate:
    """Return the candidate pruned as ``prune`` does it, and repaired: two steps, or the one where nothing was cut.

    calibration: inputs by name, samples first, as many as there are (no targets). Raises what ``prune`` raises,
    DataError for samples that do not fit, RefusedError where onnxruntime cannot run the model.
    """
    coupling = coupled(candidate.content, through_norms=through_norms)
    gone = chosen(coupling, ratio=ratio, round_to=round_to, importance=importance)
    settings = chosen_settings(ratio=ratio, round_to=round_to, importance=importance, through_norms=through_norms)
    small = without(candidate, coupling, gone, settings=settings)
    if not any(gone.values()):
        return small
    content = repaired(coupling, atoms_of(coupling, gone), small.content, calibration)
    return small.then(Step(name="repair", settings={"ridge_frac": _RIDGE}), content)


def repaired(coupling: Coupling, gone: NDArray[np.int64], content: bytes, calibration: Mapping[str, Any]) -> bytes:
    """Return a cut model with its weights fitted.

    coupling, gone: the whole model and the sets that were cut of it. content: the cut model. calibration: inputs by
    name, samples first; at most 1024 are used. Layers with more than 2304 inputs to an output stay as they are.
    Raises DataError for samples that do not fit, RefusedError where onnxruntime cannot run
    the model.
    """
    import onnx

    whole = onnx.ModelProto.FromString(coupling.settled.content)
    small = onnx.ModelProto.FromString(content)
    session = open_session(coupling.settled.content, what="the whole model")
    count = _sample_count(coupling)
    feeds = check_inputs(session, {name: np.asarray(array)[:count] for name, array in calibration.items()})
    random = np.random.default_rng(0)
    for layer in coupling.settled.first.layers:
        product = _product(small.graph, layer)
        if product is None:
            continue
        wanted = _values(whole, product.output, feeds)
        axis = _channel_axis(layer)
        kept = _kept(coupling, product.output, axis, gone)
        wanted = wanted if kept is None else np.compress(kept, wanted, axis=axis)
        given = _values(small, layer.inputs[0], feeds)
        _fit(small.graph, product, given, wanted, random)
    return serialised(small)


def _sample_count(coupling: Coupling) -> int:
    """Return how many samples memory and time allow; raises RefusedError where they are too few to fit anything."""
    first = coupling.settled.first
    largest = max([spec.element_count or 0 for spec in first.tensors.values()], default=0) / first.batch
    products = [layer for layer in first.layers if layer.op in _PRODUCTS and layer.inputs[1:2]]
    macs = sum(_mac_count(coupling, layer) for layer in products) / first.batch
    by_memory, by_time = _BYTES / max(1.0, 4 * largest), _MACS / max(1.0, macs * len(products))
    count = int(min(by_memory, by_time, _SAMPLES))
    if count < _FEWEST:
        raise RefusedError("the model is too large to be repaired layer by layer")
    return count


def _mac_count(coupling: Coupling, layer: Layer) -> float:
    """Return about how many products a layer takes for the batch of the first walk, 0 where a shape is not known."""
    shapes = [coupling.settled.sizes(name) for name in (layer.outputs[0], layer.inputs[1])]
    if shapes[0] is None or shapes[1] is None or layer.inputs[1] not in coupling.settled.first.weights:
        return 0.0
    out, weight = shapes[0][0], shapes[1][0]
    return prod(out) * prod(weight) / max(1, out[_channel_axis(layer)])


def _values(model: Any, name: str, feeds: Mapping[str, Any]) -> Floats:
    if name in feeds:
        return np.asarray(feeds[name], dtype=np.float32)
    session = open_session(with_outputs(model, [name]), what="the model that is repaired")
    return np.asarray(run_session(session, feeds, [name], what="repair")[0], dtype=np.float32)


def _channel_axis(layer: Layer) -> int:
    return -1 if layer.op == "MatMul" else 1


def _kept(coupling: Coupling, name: str, index: int, gone: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Return which positions of an axis are left; None where its sets are not known, so that nothing was cut of it."""
    axes = coupling.axes.get(name, ())
    axis = axes[index] if axes else None
    return None if axis is None else ~np.isin(axis, gone)


def _product(graph: Any, layer: Layer) -> _Product | None:
    """Return a layer's weights as a matrix, None where it is none that could be fitted."""
    take = layer.attributes.get
    is_plain = layer.op in _PRODUCTS and not layer.domain and len(layer.inputs) > 1
    if not is_plain or take("transA", 0) or take("auto_pad", "NOTSET") != "NOTSET":
        return None
    own = _own_floats(graph)
    weight = own.get(layer.inputs[1])
    if weight is None or (layer.op != "Conv" and weight.ndim != 2):
        return None
    kernel = weight.shape[2:]
    weight = weight.reshape(len(weight), -1).T if layer.op == "Conv" else weight.T if take("transB", 0) else weight
    if len(weight) > _MOST_INPUTS:
        return None
    output, bias_name = layer.outputs[0], layer.inputs[2] if len(layer.inputs) > 2 else ""
    if layer.op == "MatMul":
        output, bias_name = _added(graph, output, own)
    bias = own.get(bias_name)
    if bias_name and (bias is None or bias.shape != weight.shape[1:] or take("beta", 1.0) != 1):
        return None
    scale = float(take("alpha", 1.0))
    return _Product(
        layer=layer, output=output, weight=weight, bias_name=bias_name, bias=bias, scale=scale, kernel=kernel
    )


def _own_floats(graph: Any) -> dict[str, NDArray[Any]]:
    """Return the float32 constants that one node alone reads."""
    from onnx import numpy_helper

    once = read_once(graph)
    tensors = [tensor for tensor in graph.initializer if tensor.data_type == 1 and tensor.name in once]
    return {tensor.name: np.asarray(numpy_helper.to_array(tensor)) for tensor in tensors}


def _added(graph: Any, name: str, own: Mapping[str, NDArray[Any]]) -> tuple[str, str]:
    """Return the sum that alone reads a product and its bias, or the product itself and an empty text."""
    readers = [node for node in graph.node if name in node.input]
    if len(readers) == 1 and readers[0].op_type == "Add" and name in read_once(graph):
        bias = next(item for item in readers[0].input if item != name)
        if bias in own and own[bias].ndim == 1 and name not in {value.name for value in graph.output}:
            return str(readers[0].output[0]), bias
    return name, ""


def _fit(graph: Any, product: _Product, given: Floats, wanted: Floats, random: np.random.Generator) -> None:
    """Put the weights into the graph that map the rows of ``given`` to those of ``wanted``."""
    layer, weight = product.layer, product.weight
    if layer.op == "Conv":
        targets = np.moveaxis(wanted, 1, -1).reshape(-1, wanted.shape[1])
        chosen, rows = _windows(product, given, len(targets), random)
        targets = targets[chosen]
    else:
        targets, rows = wanted.reshape(-1, wanted.shape[-1]), given.reshape(-1, given.shape[-1])
    inputs = rows.astype(np.float64) * product.scale
    bias = np.zeros(weight.shape[1]) if product.bias is None else product.bias.astype(np.float64)
    group_count = inputs.shape[1] // len(weight)  # of a convolution; each has its own inputs and outputs
    parts = zip(
        *(np.split(array, group_count, axis=-1) for array in (inputs, targets, weight.astype(np.float64), bias)),
        strict=True,
    )
    fitted = [_solved(*part, has_bias=product.bias is not None) for part in parts]
    matrix = np.concatenate([found[0] for found in fitted], axis=1)
    _put(graph, layer.inputs[1], matrix.T if layer.op == "Conv" or layer.attributes.get("transB", 0) else matrix)
    if product.bias is not None:
        _put(graph, product.bias_name, np.concatenate([found[1] for found in fitted]))


def _solved(
    inputs: NDArray[np.float64],
    targets: NDArray[np.float64],
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    *,
    has_bias: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight and the bias that map inputs to targets best; as they were where nothing is missing."""
    missing = targets - inputs @ weight - bias
    if not np.isfinite(missing).all() or np.abs(missing).max(initial=0) <= _CHANGED * np.abs(targets).max(initial=0):
        return weight, bias
    middle, gap = (inputs.mean(axis=0), missing.mean(axis=0)) if has_bias else (0.0, 0.0)
    centred = inputs - middle
    gram = centred.T @ centred
    ridge = max(_RIDGE * float(np.trace(gram)) / len(gram), 1e-12)
    change = np.linalg.solve(gram + ridge * np.eye(len(gram)), centred.T @ (missing - gap))
    return weight + change, bias + gap - middle @ change if has_bias else bias


def _windows(
    product: _Product, given: Floats, count: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], Floats]:
    """Return some of a convolution's windows, and which: shape (rows, channels and taps)."""
    rank = given.ndim - 2
    take, kernel = product.layer.attributes.get, product.kernel
    strides, dilations = take("strides", (1,) * rank), take("dilations", (1,) * rank)
    pads = take("pads", (0,) * (2 * rank))
    padded = np.pad(given, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)])
    spans = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    views = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=tuple(range(2, 2 + rank)))
    steps = [1, 1, *strides, *dilations]
    views = views[tuple(slice(None, None, int(step)) for step in steps)]
    places = views.shape[2 : 2 + rank]
    most = min(count, _ROWS_PER_INPUT * len(product.weight) + 512)
    chosen = np.sort(random.choice(count, most, replace=False))
    sample, *where = np.unravel_index(chosen, (len(given), *places))
    rows = np.moveaxis(views, 1, 1 + rank)[(sample, *where)]
    return chosen, np.ascontiguousarray(rows).reshape(most, -1)


def _put(graph: Any, name: str, value: NDArray[Any]) -> None:
    from onnx import numpy_helper

    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    shaped = np.ascontiguousarray(value, dtype=np.float32).reshape(tuple(tensor.dims))
    tensor.CopyFrom(numpy_helper.from_array(shaped, name))
