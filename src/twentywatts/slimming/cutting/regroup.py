"""How axes go through a reshape: both shapes are parted into their common factors, and atoms follow the factors.

Of an axis that is split, or of several that are merged, one factor may be cut (whole attention heads, or the channels
of a flattened map), the others stay. Which one is found out by a first walk, on which every factor is tied to nothing:
the first factor that what follows leaves free is taken.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np

from twentywatts.network import Layer
from twentywatts.slimming.cutting.atoms import Axis, Numbers
from twentywatts.slimming.cutting.spread import MAX_ATOMS, Axes, NotUnderstoodError, Spread

__all__ = ["reshaped"]

Parts = list[list[int]]  # the sizes of the factors of each axis


def reshaped(state: Spread, layer: Layer, source: str, target: str) -> Axes:
    """Return the axes of ``target``, which holds the elements of ``source`` in the same order."""
    plans = [_factors(*shapes) for shapes in zip(state.both_sizes(source), state.both_sizes(target), strict=True)]
    if plans[0] is None or plans[1] is None:
        state.pin(state.of(source))
        return (None,) * len(state.sizes(target))
    (before, after), other = plans[0], plans[1]
    if [list(map(len, parts)) for parts in plans[0]] != [list(map(len, parts)) for parts in other]:
        raise NotUnderstoodError("how it groups its axes hangs on an open size")
    vectors: list[Axis] = []
    for index, (axis, sizes) in enumerate(zip(state.of(source), before, strict=True)):
        vectors += _split(state, (layer.name, 0, index), axis, sizes)
    made, start = [], 0
    for index, sizes in enumerate(after):
        parts = vectors[start : start + len(sizes)]
        made.append(_merged(state, (layer.name, 1, index), parts, sizes))
        start += len(sizes)
    return tuple(made)


def _factors(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[Parts, Parts] | None:
    """Return the common factors of two shapes of as many elements, by axis; None where they do not divide."""
    if prod(before) != prod(after):
        return None
    ends = sorted({*np.cumprod(before).tolist(), *np.cumprod(after).tolist(), 1})
    if any(high % low for low, high in pairwise(ends)):
        return None
    return _parted(before, ends), _parted(after, ends)


def _parted(shape: tuple[int, ...], ends: list[int]) -> Parts:
    parts, done = [], 1
    for size in shape:
        inside = [end for end in ends if done < end <= done * size]
        parts.append([high // low for low, high in pairwise([done, *inside])])
        done *= size
    return parts


def _split(state: Spread, key: tuple[str, int, int], axis: Axis, sizes: list[int]) -> list[Axis]:
    """Return the atoms of each factor of one axis."""
    if axis is None or len(sizes) < 2:
        return [axis] * len(sizes)
    table = axis.reshape(sizes)
    varying = _varying(state, table)
    if not varying:
        state.pin((axis,))
        return [None] * len(sizes)
    if len(varying) == 1:
        return [_along(table, index) if index in varying else None for index in range(len(sizes))]
    if state.choices is None:
        fresh = [state.fresh(size) if index in varying else None for index, size in enumerate(sizes)]
        state.candidates[key] = fresh
        return fresh
    chosen = state.choices.get(key, -1)
    if chosen not in varying:
        state.pin((axis,))
        return [None] * len(sizes)
    vector = _along(table, chosen)
    state.atoms.tie(table, _spread_out(vector, sizes, chosen))
    return [vector if index == chosen else None for index in range(len(sizes))]


def _merged(state: Spread, key: tuple[str, int, int], parts: list[Axis], sizes: list[int]) -> Axis:
    """Return the atoms of an axis that several factors are merged into."""
    live = [index for index, part in enumerate(parts) if part is not None]
    if not live or prod(sizes) > MAX_ATOMS:
        state.pin(parts)
        return None
    if len(sizes) == 1:
        return parts[0]
    free = [index for index in live if state.atoms.is_free(parts[index])]
    if len(free) > 1 and state.choices is None:
        state.candidates[key] = [part if index in free else None for index, part in enumerate(parts)]
        return state.fresh(prod(sizes))
    chosen = free[0] if len(free) == 1 else (state.choices or {}).get(key, -1)
    state.pin([part for index, part in enumerate(parts) if index != chosen])
    if chosen not in free:
        return None
    vector = parts[chosen]
    assert vector is not None  # a free axis has atoms
    return np.ascontiguousarray(np.broadcast_to(_spread_out(vector, sizes, chosen), sizes)).ravel()


def _varying(state: Spread, table: Numbers) -> list[int]:
    """Return the factors along which the sets of a table of atoms differ."""
    roots = state.atoms.roots(table.ravel()).reshape(table.shape)
    return [axis for axis in range(table.ndim) if bool((roots != roots.take([0], axis=axis)).any())]


def _along(table: Numbers, index: int) -> Numbers:
    return np.moveaxis(table, index, 0).reshape(table.shape[index], -1)[:, 0]


def _spread_out(vector: Numbers, sizes: list[int], index: int) -> Numbers:
    return vector.reshape([-1 if place == index else 1 for place in range(len(sizes))])
