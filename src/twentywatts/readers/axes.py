"""Open axes of a model's inputs: which one is the batch, and what size the others get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twentywatts.errors import ModelError, counted, nearest

__all__ = ["Binding", "Shape", "bind", "declared_shape"]

Shape = tuple[int | str | None, ...]
_BATCH_NAMES = {"n", "b", "bs", "nbatch", "n_batch", "num_batch", "minibatch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Sizes by axis name, and every input's shape with them put in; ``is_widened`` where they differ from the file."""

    sizes: Mapping[str, int]
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    has_open_batch: bool = False
    is_widened: bool = False

    def apply(self, shape: Shape | None) -> Shape | None:
        """Return a declared shape with the sizes of its named axes put in."""
        if shape is None:
            return None
        return tuple(self.sizes.get(size, size) if isinstance(size, str) else size for size in shape)


def declared_shape(tensor_type: Any) -> Shape | None:
    """Return a declared shape; an axis without a positive size or a name is None, an unknown rank gives None."""
    if not tensor_type.HasField("shape"):
        return None
    return tuple(_axis(dim) for dim in tensor_type.shape.dim)


def _axis(dim: Any) -> int | str | None:
    if dim.HasField("dim_value") and dim.dim_value > 0:
        return int(dim.dim_value)
    return dim.dim_param or None


def _is_batch(name: object) -> bool:
    text = name.lower() if isinstance(name, str) else ""
    return text.startswith("batch") or text in _BATCH_NAMES


def bind(inputs: Mapping[str, Shape | None], *, batch: int, axes: Mapping[str, int]) -> Binding:
    """Return sizes for every open axis; an axis without a name is called ``<input>.<position>``.

    The batch is the axis named so, or else each input's open first axis. Raises ModelError that lists the axes
    which still need a size, or an axis of ``axes`` that the model does not have.
    """
    named = {name: _named(name, shape) for name, shape in inputs.items() if shape is not None}
    open_axes = [size for shape in named.values() for size in shape if isinstance(size, str)]
    _check_known(open_axes, axes)
    batch_axes = _batch_axes(list(named.values()))
    sizes = dict.fromkeys(batch_axes, batch) | dict(axes)
    missing = sorted({axis for axis in open_axes if axis not in sizes})
    if missing:
        wanted = " ".join(f"--axis {axis}=SIZE" for axis in missing)
        some = counted(len(missing), "axis", "axes")
        raise ModelError(f"the model leaves {some} open, give the size: {wanted}")
    shapes = {name: tuple(sizes.get(s, s) if isinstance(s, str) else s for s in shape) for name, shape in named.items()}
    return Binding(sizes=sizes, shapes=shapes, has_open_batch=bool(batch_axes))


def _named(name: str, shape: Shape) -> tuple[int | str, ...]:
    return tuple(f"{name}.{index}" if size is None else size for index, size in enumerate(shape))


def _batch_axes(shapes: Sequence[tuple[int | str, ...]]) -> set[str]:
    everywhere = {size for shape in shapes for size in shape if isinstance(size, str)}
    by_name = {axis for axis in everywhere if _is_batch(axis)}
    return by_name or {shape[0] for shape in shapes if shape and isinstance(shape[0], str)}


def _check_known(open_axes: Sequence[str], axes: Mapping[str, int]) -> None:
    for name in axes:
        if name not in open_axes:
            have = ", ".join(sorted(set(open_axes))) or "none"
            raise ModelError(f"the model has no open axis '{name}'{nearest(name, open_axes)}; its open axes: {have}")
