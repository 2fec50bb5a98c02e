"""Operators that move data: views cost nothing, copies cost bytes, a table lookup reads only the rows it touches."""

from __future__ import annotations

from math import prod

from twentywatts.counting.view import LayerView, UnknownWorkError, Work

__all__ = ["RULES"]

_VIEWS = (
    "Identity Dropout Reshape Flatten Squeeze Unsqueeze Shape Size Constant ConstantOfShape Optional OptionalGetElement"
)
# inputs after the first only steer these: axes, sizes, starts, indices, fill values
_COPIES = (
    "Transpose Concat Split Slice Pad Expand Tile DepthToSpace SpaceToDepth Cast CastLike EyeLike Range Trilu Compress "
    "ReverseSequence OneHot Unique NonZero BitCast Col2Im CenterCropPad"
)
_OPERANDS_ARE_DATA = frozenset(("Concat",))


def _view(view: LayerView) -> Work:
    return Work(is_view=True)


def _copy(view: LayerView) -> Work:
    """Return no operations; the bytes read and written follow from the tensors."""
    if view.layer.op in ("Slice", "Split"):
        touched = sum(view.output_size(i) for i, name in enumerate(view.layer.outputs) if name)
        return Work(row_reads={0: touched}, skipped=_rest(view))
    return Work(skipped=() if view.layer.op in _OPERANDS_ARE_DATA else _rest(view))


def _rest(view: LayerView) -> tuple[int, ...]:
    return tuple(range(1, len(view.layer.inputs)))


def _gather(view: LayerView) -> Work:
    """Return a lookup: as many elements of the table are read as come out, at most the whole table."""
    rows = min(view.output_size(), view.size(0)) if view.weight(0) is not None else view.output_size()
    return Work(row_reads={0: rows}, skipped=(1,) if view.weight(1) is not None else ())


def _scatter(view: LayerView) -> Work:
    """Return one operation per update where updates are combined; the whole tensor is copied."""
    combines = view.attribute("reduction", "none") != "none"
    return Work(op_count=view.size(2) if combines else 0, skipped=(1,) if view.weight(1) is not None else ())


def _sort(view: LayerView) -> Work:
    """Return a TopK as a heap of k: log2(k) + 1 comparisons per element."""
    axis = view.attribute("axis", -1)
    kept = view.output_shape()[axis]
    return Work(op_count=view.size(0) * max(kept, 1).bit_length(), skipped=(1,))


def _resize(view: LayerView) -> Work:
    """Return interpolation: none for nearest, 2 operations per tap otherwise, taps per scaled axis 2 or 4."""
    mode = view.attribute("mode", "nearest")
    taps_per_axis = {"nearest": 0, "linear": 2, "bilinear": 2, "cubic": 4}.get(mode)
    if taps_per_axis is None:
        raise UnknownWorkError(f"the mode '{mode}' is not known")
    scaled = sum(a != b for a, b in zip(view.shape(0), view.output_shape(), strict=True))
    taps = taps_per_axis**scaled if taps_per_axis and scaled else 0
    return Work(op_count=2 * taps * view.output_size(), skipped=_rest(view))


def _grid_sample(view: LayerView) -> Work:
    """Return sampling at given places: as interpolation, and 4 operations per coordinate to place it."""
    mode = view.attribute("mode", "linear")
    taps_per_axis = {"nearest": 1, "linear": 2, "bilinear": 2, "cubic": 4, "bicubic": 4}.get(mode)
    if taps_per_axis is None:
        raise UnknownWorkError(f"the mode '{mode}' is not known")
    axes = len(view.shape(0)) - 2
    return Work(op_count=2 * taps_per_axis**axes * view.output_size() + 4 * view.size(1))


def _roi_align(view: LayerView) -> Work:
    """Return averaged bilinear samples, 8 operations each; an adaptive number of samples is not known."""
    ratio = view.attribute("sampling_ratio", 0)
    if ratio < 1:
        raise UnknownWorkError("the number of samples per bin depends on the data")
    return Work(op_count=8 * ratio**2 * prod(view.output_shape()))


RULES = {("", op): _view for op in _VIEWS.split()} | {("", op): _copy for op in _COPIES.split()}
RULES |= {("", op): _gather for op in ("Gather", "GatherElements", "GatherND")}
RULES |= {("", op): _scatter for op in ("Scatter", "ScatterElements", "ScatterND")}
RULES |= {("", "TopK"): _sort, ("", "Resize"): _resize, ("", "Upsample"): _resize}
RULES |= {("", "GridSample"): _grid_sample, ("", "RoiAlign"): _roi_align}
