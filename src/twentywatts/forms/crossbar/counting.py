"""The CrossbarWorkload: vectors and shapes per product, and the digital operations around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.crossbar.arrays import Layer
from twentywatts.forms.crossbar.graph import DigitalNode, Plan
from twentywatts.forms.crossbar.products import Product
from twentywatts.forms.runtime import open_session, run_session, with_outputs
from twentywatts.operation_counts import OPS_PER_VALUE
from twentywatts.workload import CrossbarWorkload

__all__ = ["Shapes", "digital_op_count", "ones_share", "shapes_of", "vector_count", "workload_of"]

Array = NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]

_FREE = frozenset(
    """Reshape Flatten Transpose Identity Dropout Cast Shape Squeeze Unsqueeze Concat Split Slice Gather GatherElements
    GatherND Expand Tile Pad Constant ConstantOfShape DepthToSpace SpaceToDepth Size Range NonZero""".split()
)
# with their affine pair; LRN over five channels
_NORMALISATIONS = {"LayerNormalization": 7, "InstanceNormalization": 7, "GroupNormalization": 7}
_NORMALISATIONS |= {"BatchNormalization": 2, "LRN": 10}
_PER_VALUE = {**OPS_PER_VALUE, **_NORMALISATIONS}
_OVER_INPUT = ("GlobalAveragePool", "GlobalMaxPool")


def shapes_of(plan: Plan, feeds: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of the folded model when it runs on ``feeds``."""
    names = [name for node in plan.model.graph.node for name in node.output if name]
    session = open_session(with_outputs(plan.model, names), what="the model", optimise=False)
    found = run_session(session, feeds, names)
    shapes = {name: np.shape(array) for name, array in zip(names, found, strict=True)}
    constants = {tensor.name: tuple(tensor.dims) for tensor in plan.model.graph.initializer}
    return {**constants, **{name: array.shape for name, array in feeds.items()}, **shapes}


def digital_op_count(node: DigitalNode, shapes: Shapes) -> float:
    """Return the operations of a digital operator on the batch that ``shapes`` hold.

    A product of two activations counts 2 per multiply-accumulate; pooling one per element of its window; copies and
    changes of shape none; everything else per output element as on any other machine, one where nothing is said.
    """
    outputs = prod(shapes[node.outputs[0]])
    first = shapes.get(node.inputs[0], ()) if node.inputs else ()
    if node.op in _FREE:
        return 0.0
    if node.op in ("MatMul", "Gemm"):
        return 2.0 * outputs * (first[-1] if first else 1)
    if node.op in _OVER_INPUT or node.op.startswith("Reduce"):
        return float(prod(first))
    return float(outputs * node.kernel_count * _PER_VALUE.get(node.op, 1))


def ones_share(codes: NDArray[np.int32], bits: int) -> tuple[float, float]:
    """Return the ones in the binary magnitudes of codes, and how many bits are applied (``bits`` for each)."""
    magnitude = np.abs(codes)
    width = int(magnitude.max(initial=0)).bit_length()
    ones = sum(int(np.count_nonzero(magnitude & (1 << bit))) for bit in range(width))
    return float(ones), float(codes.size * bits)


def workload_of(
    plan: Plan, layers: Sequence[Layer], shapes: Shapes, *, samples: int, active_frac: Array, bits: Sequence[int]
) -> CrossbarWorkload:
    """Return the work of one inference.

    shapes: of a batch of ``samples``. active_frac: per layer. bits: of a conversion, a weight, an input, a DAC and a
    cell. Every product adds a multiplication by its scale and an addition of its bias per output element; operators
    in front of the first product are counted with the first.
    """
    adc_bits, weight_bits, input_bits, dac_bits, cell_bits = bits
    outputs = np.array([prod(shapes[product.output]) for product in plan.products], dtype=np.float64) / samples
    op_count = 2.0 * outputs
    for node in plan.digital:
        op_count[node.after] += digital_op_count(node, shapes) / samples
    matrices = [product.matrix.shape for product in plan.products]
    vectors = [vector_count(product, shapes) / samples for product in plan.products]
    return CrossbarWorkload(
        layers=tuple(product.name for product in plan.products),
        row_count=np.array([shape[1] for shape in matrices], dtype=np.float64),
        column_count=np.array([shape[2] for shape in matrices], dtype=np.float64),
        group_count=np.array([shape[0] for shape in matrices], dtype=np.float64),
        vector_count=np.array(vectors, dtype=np.float64),
        active_frac=np.asarray(active_frac, dtype=np.float64),
        op_count=op_count,
        output_bytes=outputs * input_bits / 8.0,
        input_bits=input_bits,
        weight_bits=weight_bits,
        dac_bits=dac_bits,
        cell_bits=cell_bits,
        adc_bits=adc_bits,
        signed_inputs=tuple(layer.inputs.low < 0 for layer in layers),
    )


def vector_count(product: Product, shapes: Shapes) -> int:
    """Return the vectors per group of a batch, from its geometry."""
    blank = np.broadcast_to(np.int8(0), shapes[product.source])
    return int(product.geometry.vectors(blank).shape[1])
