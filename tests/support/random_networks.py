"""Random small networks as ONNX models, of the parts that real ones are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tests.support.onnx_models import info, model_of

Draw = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Made:
    """A model, and what it is made of, which is what a failing test shows."""

    content: bytes = field(repr=False)
    parts: str


class Builder:
    """Nodes and constants of a graph in the making; names are numbered."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self.random = np.random.default_rng(seed)

    def weight(self, *shape: int, low: float = -1.0, high: float = 1.0) -> str:
        value = self.random.uniform(low, high, shape) / np.sqrt(max(np.prod(shape[1:]), 1))
        return self.constant(value.astype(np.float32))

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def numbers(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        made = [f"{op.lower()}{len(self.nodes)}.{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), made, name=f"{op}_{len(self.nodes)}", **attributes))
        return made[0] if outputs == 1 else made

    def conv(self, x: str, into: int, out: int, *, size: int = 3, group: int = 1, bias: bool = True) -> str:
        inputs = [x, self.weight(out, into // group, size, size)] + ([self.weight(out)] if bias else [])
        return str(self.add("Conv", *inputs, pads=[size // 2] * 4, group=group))

    def norm(self, x: str, count: int) -> str:
        parts = [self.weight(count), self.weight(count), self.weight(count), self.weight(count, low=0.5, high=2.0)]
        return str(self.add("BatchNormalization", x, *parts))

    def dense(self, x: str, into: int, out: int) -> str:
        """A matrix and a bias along the last axis."""
        return str(self.add("Add", self.add("MatMul", x, self.weight(into, out)), self.weight(out)))

    def model(self, shape: Sequence[int | str], output: str) -> Made:
        self.nodes.append(helper.make_node("Identity", [output], ["y"], name="end"))
        model = model_of(self.nodes, [info("x", shape)], ["y"], self.constants)
        return Made(content=bytes(model.SerializeToString()), parts=" ".join(node.op_type for node in self.nodes))


def _channel_part(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    """Add one part to a picture of ``count`` channels (a multiple of 4), 4 by 4."""
    kind = draw(st.sampled_from(sorted(_PARTS)))
    return _PARTS[kind](draw, b, x, count)


def _widths(draw: Draw) -> int:
    return int(draw(st.sampled_from((4, 8, 12, 16))))


def _conv(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    out = _widths(draw)
    return b.conv(x, count, out, size=draw(st.sampled_from((1, 3))), bias=draw(st.booleans())), out


def _act(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    return b.add(draw(st.sampled_from(("Relu", "Sigmoid", "HardSwish", "Tanh"))), x), count


def _residual(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    inner = b.conv(b.add("Relu", b.conv(x, count, 8)), 8, count, size=1)
    return b.add("Add", x, b.norm(inner, count)), count


def _branches(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    one, other = _widths(draw), _widths(draw)
    return b.add("Concat", b.conv(x, count, one), b.conv(x, count, other, size=1), x, axis=1), one + other + count


def _depthwise(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    times = draw(st.sampled_from((1, 2)))
    return b.conv(x, count, count * times, group=count), count * times


def _groups(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    out = _widths(draw)
    return b.conv(x, count, out, group=draw(st.sampled_from((2, 4)))), out


def _gate(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    squeezed = b.add("Relu", b.conv(b.add("GlobalAveragePool", x), count, 8, size=1))
    return b.add("Mul", x, b.add("Sigmoid", b.conv(squeezed, 8, count, size=1))), count


def _halves(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    one, other = b.add("Split", b.conv(x, count, 16), outputs=2, axis=1, num_outputs=2)
    return b.add("Mul", one, b.add("Sigmoid", other)), 8


def _sliced(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    wide = b.conv(x, count, 12)
    return b.add("Slice", wide, b.numbers(2), b.numbers(draw(st.sampled_from((6, 10)))), b.numbers(1)), 0


def _shuffle(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    parted = b.add("Reshape", b.conv(x, count, 16), b.numbers(0, 4, 4, 4, 4))
    return b.add("Reshape", b.add("Transpose", parted, perm=[0, 2, 1, 3, 4]), b.numbers(-1, 16, 4, 4)), 16


def _last(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    """Channels last, a dense pair, and back."""
    inner = b.add("Relu", b.dense(b.add("Transpose", x, perm=[0, 2, 3, 1]), count, 16))
    return b.add("Transpose", b.dense(inner, 16, 8), perm=[0, 3, 1, 2]), 8


def _transposed(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    group = draw(st.sampled_from((1, 4)))
    return b.add("ConvTranspose", x, b.weight(count, 8 // group, 3, 3), pads=[1] * 4, group=group), 8


def _strange(draw: Draw, b: Builder, x: str, count: int) -> tuple[str, int]:
    """Parts whose axes are not followed, or mixed."""
    kind = draw(st.sampled_from(("CumSum", "Softmax", "LRN", "Flip")))
    if kind == "CumSum":
        return b.add("CumSum", x, b.constant(np.array(1))), count
    if kind == "Flip":
        return b.add("Slice", x, b.numbers(-1), b.numbers(-100), b.numbers(1), b.numbers(-1)), count
    return b.add(kind, x, **({"axis": 1} if kind == "Softmax" else {"size": 3})), count


_PARTS: dict[str, Callable[[Draw, Builder, str, int], tuple[str, int]]] = {
    "conv": _conv,
    "act": _act,
    "norm": lambda draw, b, x, count: (b.norm(x, count), count),
    "residual": _residual,
    "branches": _branches,
    "depthwise": _depthwise,
    "groups": _groups,
    "gate": _gate,
    "halves": _halves,
    "sliced": _sliced,
    "shuffle": _shuffle,
    "last": _last,
    "transposed": _transposed,
    "strange": _strange,
}


@st.composite
def convnets(draw: Draw) -> Made:
    """A network on pictures of 3 channels, 4 by 4, that gives 5 numbers."""
    b = Builder(draw(st.integers(0, 2**32 - 1)))
    x, count = b.conv("x", 3, 8), 8
    for _ in range(draw(st.integers(1, 6))):
        before = len(b.constants)
        x, made = _channel_part(draw, b, x, count)
        if made == 0:  # a slice: its width stands in its constants
            low, high = (int(numpy_helper.to_array(c)[0]) for c in b.constants[before + 2 : before + 4])
            x, made = b.conv(x, high - low, 8), 8
        count = made
    if draw(st.booleans()):
        x, features = b.add("GlobalAveragePool", x), count
    else:
        features = count * 16
    flat = b.add("Flatten", x) if draw(st.booleans()) else b.add("Reshape", x, b.numbers(-1, features))
    return b.model(["N", 3, 4, 4], b.add("Gemm", flat, b.weight(5, features), b.weight(5), transB=1))


@st.composite
def transformers(draw: Draw) -> Made:
    """A transformer on 6 positions of 8 numbers that gives 3 numbers; grouped and fused heads among them."""
    b = Builder(draw(st.integers(0, 2**32 - 1)))
    batch = draw(st.sampled_from(("N", 2)))
    x = b.dense("x", 8, 16)
    for _ in range(draw(st.integers(1, 2))):
        normed = b.add("LayerNormalization", x, b.weight(16), b.weight(16))
        attended = (
            fused_heads(b, normed)
            if draw(st.booleans())
            else grouped_heads(b, normed, draw(st.sampled_from((1, 2, 4))))
        )
        x = b.add("Add", x, attended)
        normed = b.add("LayerNormalization", x, b.weight(16), b.weight(16))
        x = b.add("Add", x, b.dense(_neurons(draw, b, normed), 24, 16))
    pooled = b.add("ReduceMean", x, b.numbers(1), keepdims=0)
    return b.model([batch, 6, 8], b.dense(pooled, 16, 3))


def _neurons(draw: Draw, b: Builder, x: str) -> str:
    inner = b.dense(x, 16, 24)
    if draw(st.booleans()):
        return str(b.add("Mul", b.add("Sigmoid", inner), b.dense(x, 16, 24)))
    half = b.add("Mul", inner, b.constant(np.float32(0.5)))
    return str(b.add("Mul", half, b.add("Erf", inner)))


def fused_heads(b: Builder, x: str) -> str:
    """Four heads of 4 whose queries, keys and values come from one matrix."""
    parted = b.add("Reshape", b.dense(x, 16, 48), b.numbers(-1, 6, 3, 4, 4))
    turned = b.add("Transpose", parted, perm=[2, 0, 3, 1, 4])
    parts = [b.add("Gather", turned, b.constant(np.array(index)), axis=0) for index in range(3)]
    return _attention(b, *parts)


def grouped_heads(b: Builder, x: str, count: int) -> str:
    """Four heads of 4 that share ``count`` heads of keys and values."""
    queries = b.add("Transpose", b.add("Reshape", b.dense(x, 16, 16), b.numbers(-1, 6, 4, 4)), perm=[0, 2, 1, 3])
    shared = []
    for _ in range(2):
        heads = b.add("Reshape", b.dense(x, 16, 4 * count), b.numbers(0, 6, count, 4))
        single = b.add("Unsqueeze", b.add("Transpose", heads, perm=[0, 2, 1, 3]), b.numbers(2))
        wide = b.add("Expand", single, b.numbers(1, count, 4 // count, 6, 4))
        shared.append(b.add("Reshape", wide, b.numbers(-1, 4, 6, 4)))
    return _attention(b, queries, *shared)


def _attention(b: Builder, queries: str, keys: str, values: str) -> str:
    scores = b.add("MatMul", queries, b.add("Transpose", keys, perm=[0, 1, 3, 2]))
    mixed = b.add("MatMul", b.add("Softmax", scores, axis=-1), values)
    merged = b.add("Reshape", b.add("Transpose", mixed, perm=[0, 2, 1, 3]), b.numbers(-1, 6, 16))
    return b.dense(merged, 16, 16)
