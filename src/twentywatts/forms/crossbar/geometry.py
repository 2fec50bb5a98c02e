"""How a tensor becomes the input vectors of a matrix, and how the products become a tensor again (im2col)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Convolution", "Dense", "Geometry", "TransposedConvolution"]

Array = NDArray[Any]


class Geometry(Protocol):
    """The shape arithmetic of one matrix product with G groups, R rows, C columns and N vectors."""

    def vectors(self, tensor: Array) -> Array:
        """Return the vectors, shape (G, N, R), of any element type; padding is zero."""
        ...

    def assemble(self, products: Array, shape: Sequence[int]) -> Array:
        """Return the output tensor of products of shape (G, N, C); ``shape`` is that of the input tensor."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """Gemm and MatMul. transposed: the input's last two axes are swapped first; left: and the output's too (W x)."""

    transposed: bool = False
    left: bool = False

    def vectors(self, tensor: Array) -> Array:
        """Return the rows of a matrix, or of a stack of matrices."""
        turned = np.swapaxes(tensor, -1, -2) if self.transposed else tensor
        return np.ascontiguousarray(turned).reshape(1, -1, turned.shape[-1])

    def assemble(self, products: Array, shape: Sequence[int]) -> Array:
        """Return the products with the leading axes of the input."""
        leading = [*shape[:-2], shape[-1]] if self.transposed else list(shape[:-1])
        tensor = products[0].reshape(*leading, products.shape[-1])
        return np.swapaxes(tensor, -1, -2) if self.left else tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """Conv over 1 to 3 axes. pads: before and after per axis; same: '', 'upper' or 'lower' (pads follow the size)."""

    group_count: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    same: str = ""

    def vectors(self, tensor: Array) -> Array:
        """Return one vector per output position, ordered channel then kernel position."""
        padded = np.pad(tensor, [(0, 0), (0, 0), *self._pads(tensor.shape[2:])])
        reach = self._reach()
        axes = tuple(range(2, tensor.ndim))
        windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=axes)
        strides = tuple(slice(None, None, step) for step in self.strides)
        windows = windows[(slice(None), slice(None), *strides, *(slice(None, None, d) for d in self.dilations))]
        rank, batch = len(self.kernel), tensor.shape[0]
        grouped = windows.reshape(batch, self.group_count, -1, *windows.shape[2:])
        order = (1, 0, *range(3, 3 + rank), 2, *range(3 + rank, 3 + 2 * rank))
        rows = grouped.shape[2] * int(np.prod(self.kernel))
        return grouped.transpose(order).reshape(self.group_count, -1, rows)

    def assemble(self, products: Array, shape: Sequence[int]) -> Array:
        """Return the output, shape (samples, G × C, positions)."""
        sizes = [
            (size + sum(pads) - reach) // stride + 1
            for size, pads, reach, stride in zip(
                shape[2:], self._pads(shape[2:]), self._reach(), self.strides, strict=True
            )
        ]
        stacked = products.reshape(self.group_count, shape[0], *sizes, products.shape[-1])
        turned = np.moveaxis(stacked, (0, -1), (1, 2))
        return np.ascontiguousarray(turned).reshape(shape[0], -1, *sizes)

    def _reach(self) -> tuple[int, ...]:
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    def _pads(self, sizes: Sequence[int]) -> tuple[tuple[int, int], ...]:
        if not self.same:
            return self.pads
        found = []
        for size, stride, reach in zip(sizes, self.strides, self._reach(), strict=True):
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            small, large = total // 2, total - total // 2
            found.append((small, large) if self.same == "upper" else (large, small))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransposedConvolution:
    """ConvTranspose: every input position is a vector; its products are laid over the output and added digitally."""

    group_count: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    output_padding: tuple[int, ...]

    def vectors(self, tensor: Array) -> Array:
        """Return the channels of every position."""
        grouped = tensor.reshape(tensor.shape[0], self.group_count, -1, *tensor.shape[2:])
        turned = np.moveaxis(grouped, (1, 2), (0, -1))
        return np.ascontiguousarray(turned).reshape(self.group_count, -1, turned.shape[-1])

    def assemble(self, products: Array, shape: Sequence[int]) -> Array:
        """Return the sum of all overlapping products without the padding."""
        sizes, groups = tuple(shape[2:]), self.group_count
        parts = products.reshape(groups, shape[0], *sizes, -1, *self.kernel)
        rank = len(sizes)
        parts = np.moveaxis(parts, 0, 1)  # samples, groups, positions, channels, kernel
        parts = np.moveaxis(parts, 2 + rank, 2).reshape(shape[0], -1, *sizes, *self.kernel)
        whole = np.zeros((*parts.shape[:2], *self._whole(sizes)), dtype=products.dtype)
        for offset in product(*(range(size) for size in self.kernel)):
            region = tuple(
                slice(o * d, o * d + (size - 1) * s + 1, s)
                for o, d, s, size in zip(offset, self.dilations, self.strides, sizes, strict=True)
            )
            whole[(slice(None), slice(None), *region)] += parts[(Ellipsis, *offset)]  # type: ignore[arg-type]  # an index may hold an ellipsis
        crop = tuple(slice(low, size - high) for (low, high), size in zip(self.pads, whole.shape[2:], strict=True))
        return whole[(slice(None), slice(None), *crop)]

    def _whole(self, sizes: Sequence[int]) -> tuple[int, ...]:
        return tuple(
            (size - 1) * s + (k - 1) * d + 1 + extra
            for size, s, k, d, extra in zip(
                sizes, self.strides, self.kernel, self.dilations, self.output_padding, strict=True
            )
        )
