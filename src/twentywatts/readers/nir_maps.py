"""NIR's linear nodes as synapses."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError
from twentywatts.network_spiking import Conv, Dense, OneToOne, Pool, Synapses

__all__ = ["MAPS", "bias_of", "flat_shape", "synapses_of"]

Shape = tuple[int, ...]
MAPS = frozenset("Affine Linear Scale Conv1d Conv2d SumPool2d AvgPool2d".split())


def synapses_of(node: Any | None, in_shape: Shape) -> Synapses:
    """Return the synapses of a node that is fed with ``in_shape``; of no node, one to one with weight 1.

    Raises InputError for weights or windows that cannot be.
    """
    kind = type(node).__name__
    if node is None:
        return OneToOne(weight=np.ones((1,) * len(in_shape), dtype=np.float32))
    if kind in ("Affine", "Linear"):
        weight = _weight(node.weight)
        return Dense(weight=weight.reshape(-1, weight.shape[-1]) if weight.ndim == 2 else weight)
    if kind == "Scale":
        scale = _weight(node.scale)
        return OneToOne(weight=scale.reshape(in_shape) if scale.size == prod(in_shape) else scale)
    if kind in ("Conv1d", "Conv2d"):
        rank = 1 if kind == "Conv1d" else 2
        weight, dilation = _weight(node.weight), _sizes(node.dilation, rank)
        return Conv(
            weight=weight,
            stride=_sizes(node.stride, rank),
            padding=_padding(node.padding, weight.shape[2:], dilation),
            dilation=dilation,
            groups=int(np.asarray(node.groups).ravel()[0]),
        )
    return Pool(
        kernel=_sizes(node.kernel_size, 2),
        stride=_sizes(node.stride, 2),
        padding=_sizes(node.padding, 2),
        mean=kind == "AvgPool2d",
    )


def _weight(array: Any) -> NDArray[Any]:
    """Return weights as the types take them: int8 stays, everything else becomes float32."""
    found = np.asarray(array)
    return found if found.dtype == np.int8 else found.astype(np.float32)


def _sizes(value: Any, rank: int) -> tuple[int, ...]:
    flat = np.ravel(np.asarray(value))
    if flat.size not in (1, rank) or not np.all(flat == np.rint(flat)):
        raise InputError(f"a window over {rank} axes cannot be {value}")
    return tuple(int(x) for x in np.broadcast_to(flat, (rank,)))


def _padding(value: Any, kernel: Shape, dilation: Shape) -> tuple[tuple[int, int], ...]:
    """Return pads (begin, end); ``same`` keeps the size at stride 1, an odd one at the end."""
    if isinstance(value, bytes):
        value = value.decode("utf8", "replace")
    if isinstance(value, str):
        if value == "valid":
            return ((0, 0),) * len(kernel)
        if value != "same":
            raise InputError(f"padding must be numbers, 'same' or 'valid', got '{value}'")
        whole = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((pad // 2, pad - pad // 2) for pad in whole)
    return tuple((pad, pad) for pad in _sizes(value, len(kernel)))


def bias_of(node: Any, shape: Shape) -> NDArray[np.float64] | None:
    """Return what a linear node adds in every step, as an array that broadcasts to ``shape``; None where nothing."""
    bias = getattr(node, "bias", None)
    if bias is None:
        return None
    array = np.asarray(bias, dtype=np.float64)
    if not np.any(array):
        return None
    if array.size == prod(shape):
        return array.reshape(shape)
    if len(shape) > 1 and array.size == shape[0]:
        return array.reshape(-1, *[1] * (len(shape) - 1))
    return array


def flat_shape(node: Any, shape: Shape) -> Shape:
    """Return the shape behind a Flatten node (its axes do not count the batch)."""
    first, last = (int(np.asarray(x).ravel()[0]) for x in (node.start_dim, node.end_dim))
    rank = len(shape)
    first, last = first % rank if first < rank else rank - 1, last % rank
    if first > last:
        return shape
    return (*shape[:first], prod(shape[first : last + 1]), *shape[last + 1 :])
