"""NIR: a graph of neuron models and linear maps becomes a SpikingNetwork; https://neuroir.org.

A linear map that feeds one neuron node becomes its projection; one that feeds anything else (another map, several
nodes, a delay, the output) becomes a layer of relays, which pass their sum on within the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, ModelError, clean
from twentywatts.network_spiking import Neurons, Projection, SpikingLayer, SpikingNetwork, relay
from twentywatts.readers.nir_dialects import DIALECTS, Dialect, Shape, dialect_of, neurons_of
from twentywatts.readers.nir_file import EXECUTED, load_graph
from twentywatts.readers.nir_maps import MAPS, bias_of, flat_shape, synapses_of

__all__ = ["from_nir", "read_nir"]

_NEURONS = frozenset("IF LIF CubaLIF CubaLI I LI Threshold".split())
_SILENT = frozenset(("I", "LI", "CubaLI"))
_PASSING = frozenset(("Flatten", "Pass"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """An input or output of a graph inside a graph: what comes in goes on."""


def read_nir(path: str | Path, *, dialect: str | Dialect = "nir", step_s: float | None = None) -> SpikingNetwork:
    """Return the spiking network of a .nir file.

    dialect: the library whose stepping is meant (nir, snntorch, sinabs, norse, spikingjelly), or a Dialect of one's
    own; a file does not say it, except for those of ``write_nir``, which need none. step_s: duration of a step [s]
    where it is not the dialect's.
    Raises ModelError for a file that is not NIR or has nodes that are not executed (by name), InputError for values
    that no neuron can have.
    """
    path = Path(path)
    graph = load_graph(path)
    try:
        return from_nir(graph, dialect=dialect, step_s=step_s, name=path.stem)
    except InputError as error:
        raise type(error)(clean(error)) from None  # names in a file may hold anything
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(f"'{clean(path)}' is not a NIR graph that can be read ({type(error).__name__})") from None


def from_nir(
    graph: Any, *, dialect: str | Dialect = "nir", step_s: float | None = None, name: str = "network"
) -> SpikingNetwork:
    """Return the spiking network of a NIRGraph in memory (nir.NIRGraph); arguments and errors as of ``read_nir``."""
    chosen = dialect_of(dialect)
    written = graph.metadata.get("twentywatts_step_s") if isinstance(graph.metadata, dict) else None
    if written is not None:  # this package wrote it as the equations themselves are stepped, whoever's it was before
        chosen = replace(DIALECTS["nir"], step_s=_number(written))
    if step_s is not None:
        chosen = replace(chosen, step_s=float(step_s))
    return _Builder(graph, chosen).network(name)


def _number(value: Any) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise ModelError("the metadata 'twentywatts_step_s' must be one number")
    return float(array.ravel()[0])


class _Builder:
    """Nodes by name, who feeds whom, and the shapes that are known so far."""

    def __init__(self, graph: Any, dialect: Dialect) -> None:
        self.dialect = dialect
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self._flatten(graph, "")
        self._check()
        self.shapes: dict[str, Shape] = {
            name: tuple(int(size) for size in np.ravel(node.input_type["input"]))
            for name, node in self.nodes.items()
            if self._kind(name) == "Input"
        }

    def network(self, name: str) -> SpikingNetwork:
        """Return the network."""
        layers = [self._layer(node) for node in self._in_order() if self._is_layer(node)]
        outputs = []
        for node in self.nodes:
            if self._kind(node) == "Output":
                outputs += [self._result(source) for source in self._sources(node)]
        inputs = {node: self.shapes[node] for node in self.nodes if self._kind(node) == "Input"}
        if not inputs:
            raise ModelError("the graph has no Input node")
        return SpikingNetwork(
            inputs=inputs,
            layers=tuple(layers),
            outputs=tuple(dict.fromkeys(outputs)),
            step_s=self.dialect.step_s,
            name=name,
        )

    def _flatten(self, graph: Any, prefix: str) -> None:
        """Add a graph's nodes and edges; those of a graph inside it under ``name.node``."""
        inner = {key for key, node in graph.nodes.items() if type(node).__name__ == "NIRGraph"}
        for key, node in graph.nodes.items():
            if key in inner:
                self._flatten(node, f"{prefix}{key}.")
            else:
                is_end = prefix and type(node).__name__ in ("Input", "Output")
                self.nodes[f"{prefix}{key}"] = _Pass() if is_end else node
        for source, target in graph.edges:
            for end in (source, target):
                if end not in graph.nodes:
                    raise ModelError(f"an edge names node '{end}', which is not in the graph")
            starts = _ends(graph.nodes[source], source, "Output") if source in inner else [source]
            stops = _ends(graph.nodes[target], target, "Input") if target in inner else [target]
            self.edges += [(f"{prefix}{a}", f"{prefix}{b}") for a in starts for b in stops]

    def _check(self) -> None:
        for name in self.nodes:
            kind = self._kind(name)
            if kind not in EXECUTED and kind != "Pass":
                raise ModelError(f"node '{name}' is of type {kind}, which is not executed")
            if kind in _SILENT:
                feeds = {self._kind(b) for a, b in self._walk(name)}
                if feeds - {"Output"}:
                    raise ModelError(
                        f"node '{name}' ({kind}) feeds {', '.join(sorted(feeds - {'Output'}))}: an integrator is "
                        "executed where it is the output"
                    )
            if kind not in ("Input",) and not any(b == name for _, b in self.edges):
                raise ModelError(f"nothing feeds node '{name}' ({kind})")

    def _kind(self, name: str) -> str:
        return type(self.nodes[name]).__name__.lstrip("_")

    def _walk(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the edges that leave a node, passing nodes followed to what they feed."""
        for a, b in self.edges:
            if a == name:
                if self._kind(b) in _PASSING:
                    yield from self._walk(b)
                else:
                    yield a, b

    def _is_projected(self, name: str) -> bool:
        """Tell whether a map becomes the projection of the one neuron node that it feeds."""
        fed = [b for _, b in self._walk(name)]
        return len(fed) == 1 and self._kind(fed[0]) in _NEURONS

    def _is_layer(self, name: str) -> bool:
        kind = self._kind(name)
        return kind in _NEURONS or (kind in MAPS and not self._is_projected(name))

    def _sources(self, name: str) -> list[str]:
        """Return the nodes that feed a node, passing ones followed back."""
        found = []
        for a, b in self.edges:
            if b == name:
                found += self._sources(a) if self._kind(a) in _PASSING else [a]
        return found

    def _result(self, name: str) -> str:
        if not self._is_layer(name):
            raise ModelError(f"the output is fed by node '{name}' ({self._kind(name)}), which has no neurons")
        return name

    def _in_order(self) -> list[str]:
        """Return nodes so that the shape of what feeds each of them is known, as far as the graph allows."""
        waiting = [name for name in self.nodes if self._kind(name) not in ("Input", "Output", *_PASSING)]
        order: list[str] = []
        while waiting:
            ready = [n for n in waiting if self._shape(n) is not None]
            if not ready:
                raise ModelError(f"the shape of node '{waiting[0]}' is not known: no Input leads to it")
            for name in ready:
                shape = self._shape(name)
                assert shape is not None
                self.shapes[name] = shape
            order += ready
            waiting = [n for n in waiting if n not in self.shapes]
        return order

    def _shape(self, name: str) -> Shape | None:
        """Return the shape that a node gives, None where what feeds it is not known yet."""
        known = [s for s in (self._fed_shape(source, name) for source in self._sources(name)) if s is not None]
        node, kind = self.nodes[name], self._kind(name)
        if kind in MAPS:
            return self._named(name, lambda: synapses_of(node, known[0]).out_shape(known[0])) if known else None
        if known:
            return known[0]
        fields = (getattr(node, field, None) for field in ("v_threshold", "r", "delay", "threshold"))
        own: Shape = next((np.asarray(array).shape for array in fields if array is not None), ())
        return own if prod(own) > 1 else None

    def _fed_shape(self, source: str, target: str) -> Shape | None:
        """Return the shape in which a node's output reaches another: flattened where a Flatten lies between."""
        shape = self.shapes.get(source)
        if shape is None:
            return None
        for flatten in self._between(source, target):
            if self._kind(flatten) == "Flatten":
                shape = flat_shape(self.nodes[flatten], shape)
        return shape

    def _between(self, source: str, target: str) -> list[str]:
        """Return the passing nodes on the way from a node to another, in order."""
        for a, b in self.edges:
            if b == target:
                if a == source:
                    return []
                if self._kind(a) in _PASSING and source in (*self._sources(a), a):
                    return [*self._between(source, a), a]
        return []

    def _named(self, name: str, make: Any) -> Any:
        try:
            return make()
        except InputError as error:
            raise ModelError(f"node '{name}' ({self._kind(name)}): {error}") from None

    def _layer(self, name: str) -> SpikingLayer:
        """Return a neuron node with the maps that feed it alone, or a map as relays."""
        node, shape = self.nodes[name], self.shapes[name]
        if self._kind(name) in MAPS:
            neurons: Neurons = relay(shape)
            found = [self._projection(source, name, via=name) for source in self._sources(name)]
            bias = bias_of(node, shape)
        else:
            neurons = neurons_of(name, node, shape, self.dialect)
            found, bias = [], None
            for source in self._sources(name):
                if self._kind(source) in MAPS and self._is_projected(source):
                    found += [self._projection(first, source, via=source) for first in self._sources(source)]
                    own = bias_of(self.nodes[source], self.shapes[source])
                    bias = _added(bias, own, shape)
                else:
                    found.append(self._projection(source, name, via=None))
        looped = tuple(self._delayed(projection, name) for projection in found)
        return SpikingLayer(name=name, neurons=neurons, projections=looped, bias=bias)

    def _projection(self, source: str, target: str, *, via: str | None) -> Projection:
        """Return the synapses from a node, a delay before them followed back."""
        delay: NDArray[np.int64] | int = 0
        shape = self._fed_shape(source, target)
        assert shape is not None
        synapses = synapses_of(None if via is None else self.nodes[via], shape)
        while self._kind(source) == "Delay":
            delay = delay + self._steps(source)
            before = self._sources(source)
            if len(before) != 1:
                raise ModelError(f"node '{source}' (Delay) has {len(before)} sources, wanted one")
            source = before[0]
        if not (self._is_layer(source) or self._kind(source) == "Input"):
            raise ModelError(f"node '{source}' ({self._kind(source)}) before '{target}' cannot be reached")
        return Projection(source=source, synapses=synapses, delay_steps=delay)

    def _steps(self, name: str) -> NDArray[np.int64]:
        steps = np.ravel(np.asarray(self.nodes[name].delay, dtype=np.float64)) / self.dialect.step_s
        whole = np.rint(steps)
        if not np.all(np.isfinite(steps)) or np.any(steps < 0) or np.any(np.abs(steps - whole) > 1e-3):
            raise ModelError(
                f"node '{name}' (Delay): delays must be whole numbers of steps of {self.dialect.step_s:g} s"
            )
        found = whole.astype(np.int64)
        return found if found.size == prod(self.shapes[name]) else np.resize(found, prod(self.shapes[name]))

    def _delayed(self, projection: Projection, target: str) -> Projection:
        """Return a projection that closes a loop with the dialect's delay, where the file gives none."""
        if int(np.min(projection.delay_steps)) > 0 or not self._reaches(target, projection.source):
            return projection
        if self.dialect.loop_delay_steps is None:
            raise ModelError(
                f"nodes '{projection.source}' and '{target}' form a loop without delay; put a Delay node into it, or "
                "name the dialect of a library that delays recurrent connections by one step"
            )
        if projection.source != target and self._is_earlier(projection.source, target):
            return projection
        return replace(projection, delay_steps=self.dialect.loop_delay_steps)

    def _reaches(self, start: str, goal: str) -> bool:
        """Tell whether what a node sends comes to another one without a delay on its way."""
        waiting, seen = [start], {start}
        while waiting:
            name = waiting.pop()
            if name == goal:
                return True
            if self._kind(name) == "Delay" and np.all(self._steps(name) > 0):
                continue
            for a, b in self.edges:
                if a == name and b not in seen:
                    seen.add(b)
                    waiting.append(b)
        return False

    def _is_earlier(self, source: str, target: str) -> bool:
        """Tell whether a node comes before another on the way from the inputs: that edge does not close the loop."""
        order = list(self.shapes)
        return order.index(source) < order.index(target)


def _ends(graph: Any, name: str, kind: str) -> list[str]:
    """Return the names of a nested graph's inputs or outputs."""
    found = []
    for key, node in graph.nodes.items():
        if type(node).__name__ == kind:
            found.append(f"{name}.{key}")
    return found


def _added(first: NDArray[Any] | None, second: NDArray[Any] | None, shape: Shape) -> NDArray[Any] | None:
    if first is None or second is None:
        return first if second is None else second
    return np.broadcast_to(first, shape) + np.broadcast_to(second, shape)
