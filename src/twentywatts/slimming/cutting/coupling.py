"""Which channels, neurons and heads of a model can be cut, and which axes of which constants go with them.

Every position of every axis is an atom; layers tie atoms (a residual sum ties the channels of both its inputs). What
reaches the model's inputs or outputs, a mean over channels, or a layer that is not understood, stays. The sets that are
left are the units: an output channel with its bias, its normalisation and the weights that read it; a neuron of a
feed-forward pair; an attention head with its rows of every projection. A unit goes as a whole, and what is read of it
is read through a constant that can be made zero: the cut model computes exactly what the whole one does with those
weights zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import gcd, lcm
from typing import Any

import numpy as np

from twentywatts.errors import ModelError
from twentywatts.network import Layer
from twentywatts.slimming.cutting.atoms import PINNED, Axis, Numbers
from twentywatts.slimming.cutting.rules_dense import DENSE_RULES
from twentywatts.slimming.cutting.rules_shape import SHAPE_RULES, split_axes
from twentywatts.slimming.cutting.settle import Settled, settle
from twentywatts.slimming.cutting.spread import Axes, NotUnderstoodError, Spread

__all__ = ["Coupling", "Group", "Site", "coupled", "groups"]

_RULES = {**DENSE_RULES, **SHAPE_RULES}
_DOMAINS = ("", "com.microsoft")
_CONTRIB = frozenset({"Gelu", "FastGelu", "QuickGelu", "BiasGelu"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """One axis of one constant. positions: shape (units, positions per unit). is_read: whether the axis is summed."""

    tensor: str
    axis: int
    positions: Numbers = field(repr=False)
    is_read: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Units of one kind. name: the layer that makes them. atoms: the set of each unit, shape (units,).

    is_exact: without a unit the rest computes what it did when the unit's readers were zero; not so where units share a
    mean and a variance.
    """

    name: str
    sites: tuple[Site, ...]
    atoms: Numbers = field(repr=False)
    is_exact: bool = True

    @property
    def unit_count(self) -> int:
        """Units: channels, neurons or heads."""
        return len(self.atoms)

    def step(self, round_to: int) -> int:
        """Return by how many units a width changes so that every axis is cut by multiples of ``round_to`` positions."""
        return lcm(*(round_to // gcd(round_to, site.positions.shape[1]) for site in self.sites))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coupling:
    """The groups of a model. left: layer → why it, and what hangs on it, stays as it is.

    settled: the plain model that the groups are of. axes: the set of every position of every tensor's axes.
    """

    settled: Settled
    groups: tuple[Group, ...]
    left: Mapping[str, str]
    axes: Mapping[str, Axes] = field(repr=False)

    def group(self, name: str) -> Group:
        """Return a group by name; raises KeyError."""
        return {group.name: group for group in self.groups}[name]


def groups(content: bytes, *, through_norms: bool = False) -> tuple[Group, ...]:
    """Return what can be cut of an ONNX model; raises ModelError for what is none. through_norms: see ``coupled``."""
    return coupled(content, through_norms=through_norms).groups


@lru_cache(maxsize=4)
def coupled(content: bytes, *, through_norms: bool = False) -> Coupling:
    """Return the groups of an ONNX model, and the layers that are left as they are; raises ModelError.

    through_norms: the channels that a LayerNormalization takes its mean over may go too (the width of a transformer).
    Such a group is not ``is_exact``: what stays is normalised otherwise, and wants training.
    """
    settled = settle(content)
    state, left = _walk(settled, None, through_norms)
    if state.candidates:
        choices = {key: _chosen(state, candidates) for key, candidates in state.candidates.items()}
        state, left = _walk(settled, choices, through_norms)
    found = {
        name: tuple(None if axis is None else state.atoms.roots(axis) for axis in axes)
        for name, axes in state.axes.items()
    }
    return Coupling(settled=settled, groups=_assembled(state, found), left=left, axes=found)


def _chosen(state: Spread, candidates: list[Axis]) -> int:
    """Return the first factor that nothing holds, else the first that something leaves free, else -1."""
    free = [index for index, axis in enumerate(candidates) if state.atoms.is_free(axis)]
    whole = [index for index in free if (state.atoms.roots(candidates[index]) != PINNED).all()]  # type: ignore[arg-type]
    return (whole or free or [-1])[0]


def _walk(settled: Settled, choices: Mapping[Any, int] | None, through_norms: bool) -> tuple[Spread, dict[str, str]]:
    """Return the state after all layers, and the layers that were not understood."""
    state = Spread(settled, choices, through_norms=through_norms)
    left: dict[str, str] = {}
    network = settled.first
    for spec in network.inputs:
        state.axes[spec.name] = (None,) * len(spec.shape or ())
    for name, sources in settled.derived().items():  # constants that the graph makes of others: all of them stay
        for constant in (name, *filter(None, sources)):
            state.pin_tensor(constant)
    for layer in network.layers:
        try:
            _follow(state, layer)
        except NotUnderstoodError as error:
            if _leave(state, layer):
                left[layer.name] = f"{layer.op}: {error}"
        except (ArithmeticError, LookupError, TypeError, ValueError):  # a file may hold what no exporter writes
            if _leave(state, layer):
                left[layer.name] = f"{layer.op}: its attributes or inputs are not what the operator wants"
    for name in (*(spec.name for spec in network.outputs), *_captured(settled.content)):
        state.pin_tensor(name)
    return state, left


def _follow(state: Spread, layer: Layer) -> None:
    problem = state.network.unknown.get(layer.name)
    rule = _RULES.get(layer.op)
    is_known = layer.domain == "" or (layer.domain == "com.microsoft" and layer.op in _CONTRIB)
    if problem or not is_known or (rule is None and layer.op != "Split"):
        raise NotUnderstoodError(problem or "how its axes hang together is not known")
    made = split_axes(state, layer) if rule is None else [rule(state, layer)]
    if len([name for name in layer.outputs if name]) > len(made):
        raise NotUnderstoodError("it has more outputs than are known")
    for name, axes in zip(layer.outputs, made, strict=False):
        _check(state, name, axes)
        state.axes[name] = axes


def _check(state: Spread, name: str, axes: Axes) -> None:
    sizes = state.sizes(name)
    if len(sizes) != len(axes) or any(a is not None and len(a) != n for a, n in zip(axes, sizes, strict=True)):
        state.pin(axes)
        raise NotUnderstoodError("its axes do not add up")


def _leave(state: Spread, layer: Layer) -> bool:
    """Pin all that a layer touches; tell whether any of it could have been cut."""
    was_free = False
    for name in filter(None, layer.inputs):
        weight = state.network.weights.get(name)
        if weight is None or "float" in weight.dtype:
            with suppress(NotUnderstoodError):
                was_free = was_free or any(state.atoms.is_free(axis) for axis in state.of(name))
        state.pin_tensor(name)
    for name in filter(None, layer.outputs):
        sizes = state.settled.sizes(name)
        state.axes[name] = (None,) * len(sizes[0] if sizes else ())
    return was_free


def _captured(content: bytes) -> set[str]:
    """Return the tensors that bodies of loops and branches read from around them."""
    import onnx

    from twentywatts.readers.order import free_names

    nodes = onnx.ModelProto.FromString(content).graph.node
    return {name for node in nodes for item in node.attribute if item.HasField("g") for name in free_names(item.g)}


def _assembled(state: Spread, axes: Mapping[str, Axes]) -> tuple[Group, ...]:
    """Return the sets of atoms that stand in constants, those with the same places and stretches together."""
    places = _places(state, axes)
    stretches = _stretches(state)
    alike: dict[Any, list[int]] = {}
    for root, found in places.items():
        kind = tuple((name, index, len(where)) for name, index, where in found)
        alike.setdefault((kind, tuple(stretches.get(root, ()))), []).append(root)
    made: list[Group] = []
    order = {layer.name: index for index, layer in enumerate(state.network.layers)}
    shared = {int(root) for axis in state.shared if axis is not None for root in state.atoms.roots(axis)}
    for (kind, _), roots in alike.items():
        roots.sort(key=lambda root: int(places[root][0][2][0]))
        sites = tuple(
            Site(
                tensor=name,
                axis=index,
                positions=np.stack([places[root][number][2] for root in roots]),
                is_read=(name, index) in state.readers,
            )
            for number, (name, index, _) in enumerate(kind)
        )
        makers = [state.makers[key] for site in sites if (key := (site.tensor, site.axis)) in state.makers]
        name = min(makers, key=lambda maker: order.get(maker, len(order)), default=kind[0][0])
        made.append(Group(name=name, sites=sites, atoms=np.array(roots), is_exact=not shared.intersection(roots)))
    made.sort(key=lambda group: (order.get(group.name, len(order)), int(group.sites[0].positions[0, 0])))
    return tuple(_named_apart(made))


def _stretches(state: Spread) -> dict[int, list[tuple[int, int, int]]]:
    """Return how many positions of each set lie in which stretch of an axis that a layer parts."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for number, parts in enumerate(state.parted):
        for part, axis in enumerate(parts):
            if axis is not None:
                roots, counts = np.unique(state.atoms.roots(axis), return_counts=True)
                for root, count in zip(roots.tolist(), counts.tolist(), strict=True):
                    found.setdefault(root, []).append((number, part, count))
    return found


def _places(state: Spread, axes: Mapping[str, Axes]) -> dict[int, list[tuple[str, int, Numbers]]]:
    """Return where each set of atoms that may go stands: constant, axis and positions."""
    places: dict[int, list[tuple[str, int, Numbers]]] = {}
    for name in state.network.weights:
        for index, axis in enumerate(axes.get(name, ())):
            if axis is None:
                continue
            order = np.argsort(axis, kind="stable")
            roots, starts = np.unique(axis[order], return_index=True)
            for root, positions in zip(roots.tolist(), np.split(order, starts[1:]), strict=True):
                if root != PINNED:
                    places.setdefault(root, []).append((name, index, positions))
    return places


def _named_apart(found: list[Group]) -> list[Group]:
    """Return the groups, a number added to the name where one layer makes several (the parts of a split)."""
    taken: dict[str, int] = {}
    result = []
    for group in found:
        taken[group.name] = taken.get(group.name, 0) + 1
        number = taken[group.name]
        name = group.name if number == 1 else f"{group.name}/{number}"
        result.append(replace(group, name=name))
    if len({group.name for group in result}) < len(result):
        raise ModelError("the model's layers have names that cannot be told apart")
    return result
