"""The workload of a processor from counts: precision of the form, and what a good runtime fuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from twentywatts.counting.result import Counts, LayerCount
from twentywatts.errors import InputError
from twentywatts.workload import ProcessorWorkload

__all__ = ["fused_layers", "processor_workload"]

_BITS = {"fp32": 32, "fp16": 16, "int8": 8}
# what a good runtime computes in the kernel that makes the input
_JOINS = frozenset(
    "BatchNormalization Relu Clip LeakyRelu PRelu Sigmoid HardSigmoid HardSwish Swish Tanh Elu Selu Gelu Mish Add Sum "
    "Mul Div Sub".split()
)
_HOSTS = frozenset(
    "Conv ConvTranspose ConvInteger QLinearConv Gemm MatMul MatMulInteger QLinearMatMul FusedMatMul FusedConv "
    "Add Sum BatchNormalization".split()
)

# operators that quantised runtimes run on 8-bit tensors, besides those with multiply-accumulates
_KEPT_NARROW = frozenset(
    "Add AveragePool Clip Concat Flatten GlobalAveragePool LeakyRelu MaxPool Mul Pad Relu Reshape Resize Slice Split "
    "Squeeze Sum Transpose Unsqueeze".split()
)


def processor_workload(counts: Counts, *, precision: str = "fp32", batch: int | None = None) -> ProcessorWorkload:
    """Return the work of one batch for the pricer of processors.

    precision: of the multiply-accumulates (fp32, fp16, int8); weights and activations are held at its width unless
    the file stores them narrower; in int8, operators that quantised runtimes do not have stay in float.
    batch: inferences per batch, what was counted if not given; arithmetic and activations are scaled to it, weights
    are read once per run of the model.
    Layers that a runtime fuses into their neighbour keep their operations and lose their traffic and their kernel.
    """
    if precision not in _BITS:
        raise InputError(f"unknown precision '{precision}', wanted one of {', '.join(_BITS)}")
    batch = batch or counts.batch
    share = batch / counts.batch
    runs = counts.runs * share if counts.runs > 1 else 1.0
    fused = fused_layers(counts.layers)
    layers = counts.layers
    width = max((layer.mac_bits for layer in layers), default=0) or _BITS["fp32"]
    narrow = np.array([_narrowing(layer, _BITS[precision], width) for layer in layers])
    alive = np.array([layer.name not in fused for layer in layers], dtype=float)
    working = np.array([bool(layer.input_bytes or layer.output_bytes or layer.mac_count) for layer in layers], float)
    return ProcessorWorkload(
        layers=tuple(layer.name for layer in layers),
        mac_count=_array([layer.mac_count for layer in layers]) * share,
        op_count=_array([0 if _folds(layer, fused) else layer.op_count for layer in layers]) * share,
        weight_bytes=_array([0 if _folds(layer, fused) else layer.weight_bytes for layer in layers]) * narrow * runs,
        input_bytes=_array([_extra_input(layer, fused) for layer in layers]) * narrow * share,
        output_bytes=_array([layer.output_bytes for layer in layers]) * narrow * alive * share,
        kernel_count=working * alive * runs,
        precision=precision,
        batch=batch,
        unknown=tuple(layer.name for layer in counts.unknown),
    )


def _array(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def _narrowing(layer: LayerCount, bits: int, width: int) -> float:
    """Return by how much this form narrows the bytes of a layer; ``width`` is that of the model's own arithmetic.

    In 16 bits everything is narrow; in 8 bits what quantised runtimes keep there, the rest stays in float.
    """
    if layer.mac_bits:
        return min(1.0, bits / layer.mac_bits)
    return min(1.0, bits / width) if bits > _BITS["int8"] or layer.op in _KEPT_NARROW else 1.0


def _folds(layer: LayerCount, fused: frozenset[str]) -> bool:
    """Tell whether a layer vanishes into the weights before it."""
    return layer.op == "BatchNormalization" and layer.name in fused


def _extra_input(layer: LayerCount, fused: frozenset[str]) -> float:
    """Return the bytes a layer reads: of a fused residual sum only the operands that are not in registers."""
    if layer.name not in fused:
        return layer.input_bytes
    operands = len(layer.inputs)
    return layer.input_bytes * (operands - 1) / operands if operands > 1 else 0.0


def fused_layers(layers: Sequence[LayerCount]) -> frozenset[str]:
    """Return the names of layers that run inside the kernel of the layer that makes their input.

    A layer joins its maker if it is the only reader of what the maker makes, and no other layer has joined there first.
    """
    readers = Counter(name for layer in layers for name in layer.inputs)
    makers = {name: layer for layer in layers for name in layer.outputs if name}
    host: dict[str, str] = {}
    fused: set[str] = set()
    for layer in layers:
        if layer.op not in _JOINS or layer.mac_count:
            continue
        for name in layer.inputs:
            maker = makers.get(name)
            if maker is None or readers[name] != 1 or layer.output_bytes > maker.output_bytes:
                continue
            if maker.op in _HOSTS or maker.name in fused:
                fused.add(layer.name)
                host[layer.name] = maker.name
                break
    return frozenset(fused)
