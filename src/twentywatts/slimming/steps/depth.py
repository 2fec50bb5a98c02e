"""Depth: residual blocks dropped. Of x + f(x) only x goes on; the network becomes shallower and keeps its widths.

Where an inference is short, the calls of layers cost more than their sums, and depth saves what widths cannot.
Source: Huang et al. 2016 (Deep Networks with Stochastic Depth, arXiv 1603.09382) for residual networks that stand it;
Sajjad et al. 2023 (On the effect of dropping layers of pre-trained transformer models, arXiv 2004.03844).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twentywatts.errors import InputError, RefusedError, clean, nearest
from twentywatts.network import Layer
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate, Step, Value
from twentywatts.slimming.cutting.settle import Settled, drop_unused, serialised, settle
from twentywatts.slimming.proof.trial import opened

__all__ = ["Block", "blocks", "harms", "shallower", "without_blocks"]

_HEAVY = frozenset("Conv ConvTranspose Gemm MatMul".split())  # a block without one of these is a formula
_MOST = 5000  # layers at most of what counts as a block


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A residual block: the layer that adds, the tensor that goes past the block, and the layers beside it."""

    name: str
    past: str
    total: str
    layers: frozenset[str]


def blocks(content: bytes) -> tuple[Block, ...]:
    """Return the residual blocks of an ONNX model that can be left out, in running order.

    Their input and output have the same shape, they hold a product, none of them holds another and none gives an
    output of the model. Raises ModelError for what is no ONNX model.
    """
    graph = _Graph(settle(content))
    adders = [layer for layer in graph.layers if layer.op == "Add" and not layer.domain and len(layer.inputs) == 2]
    found = [block for layer in adders if (block := graph.block(layer)) is not None]
    return tuple(one for one in found if not any(other.name in one.layers for other in found))


@dataclass(slots=True)
class _Graph:
    """A plain model, with the layer and the place in running order that makes each tensor."""

    settled: Settled
    layers: tuple[Layer, ...] = field(init=False)
    places: dict[str, int] = field(init=False)
    outputs: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        network = self.settled.first
        self.layers = network.layers
        self.places = {name: place for place, layer in enumerate(self.layers) for name in layer.outputs if name}
        self.outputs = frozenset(spec.name for spec in network.outputs)

    def block(self, layer: Layer) -> Block | None:
        """Return the block whose two ways a layer adds, None where it adds something else."""
        total = layer.outputs[0]
        own = self.settled.sizes(total)
        if own is None or total in self.outputs:
            return None
        for past, beside in (layer.inputs, layer.inputs[::-1]):
            if past in self.settled.first.weights or self.settled.sizes(past) != own:
                continue
            inside = [self.layers[self.places[name]] for name in self.between(past, beside)]
            if any(one.op in _HEAVY for one in inside):
                return Block(name=layer.name, past=past, total=total, layers=frozenset(one.name for one in inside))
        return None

    def between(self, start: str, end: str) -> set[str]:
        """Return the tensors on any way from ``start`` to ``end``, without the first; none where there are too many."""
        earliest = self.places.get(start, -1)  # what is made before it cannot hang on it
        depends: dict[str, bool] = {start: True}
        waiting = [end]
        while waiting:
            name = waiting[-1]
            place = self.places.get(name, -1)
            inputs = [one for one in self.layers[place].inputs if one] if place > earliest else []
            missing = [one for one in inputs if one not in depends]
            if missing and len(depends) <= _MOST:
                waiting += missing
                continue
            waiting.pop()
            depends.setdefault(name, any(depends.get(one, False) for one in inputs))
        found = {name for name, is_after in depends.items() if is_after and name != start}
        return found if len(depends) <= _MOST else set()


def without_blocks(candidate: Candidate, names: Sequence[str]) -> Candidate:
    """Return the candidate without the named blocks; raises InputError for a name that is none of its blocks."""
    import onnx

    known = {block.name: block for block in blocks(candidate.content)}
    for name in names:
        if name not in known:
            raise InputError(f"there is no block '{clean(name)}'{nearest(clean(name), list(known))}")
    gone = [block for name, block in known.items() if name in set(names)]
    model = onnx.ModelProto.FromString(settle(candidate.content).content)
    _lead_past(model.graph, gone)
    drop_unused(model.graph)
    settings: dict[str, Value] = {
        "blocks": json.dumps([block.name for block in gone]),
        "dropped": len(gone),
        "of": len(known),
    }
    return candidate.then(Step(name="depth", settings=settings), serialised(model))


def _lead_past(graph: Any, gone: Iterable[Block]) -> None:
    """Let whatever reads the output of a block read what goes past it."""
    renamed: dict[str, str] = {}
    for block in gone:  # in running order: what goes past a later block may be the output of an earlier one
        renamed[block.total] = renamed.get(block.past, block.past)
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]


def shallower(candidate: Candidate, *, share_frac: float, matters: Mapping[str, float]) -> Candidate:
    """Return the candidate without about a share of its blocks, at least one, those that matter least.

    share_frac: of the number of blocks (0..1). matters: what each block matters, see ``harms``. Raises RefusedError
    where there are no two blocks, InputError for a share that is none.
    """
    if not 0 < share_frac < 1:
        raise InputError(f"the share of blocks to leave out lies between 0 and 1, got {clean(share_frac)}")
    if len(matters) < 2:
        raise RefusedError("the model has no two residual blocks of which one could be left out")
    count = min(max(round(share_frac * len(matters)), 1), len(matters) - 1)
    return without_blocks(candidate, sorted(matters, key=lambda name: matters[name])[:count])


def harms(candidate: Candidate, samples: Samples) -> dict[str, float]:
    """Return by block how far the first output moves without it: mean square, in units of the output's variance.

    samples: all are asked, once for each block.
    """
    own = np.asarray(opened(candidate).outputs(samples), dtype=np.float64)
    unit = max(float(own.var()), 1e-12)
    found = {}
    for block in blocks(candidate.content):
        without = opened(without_blocks(candidate, [block.name])).outputs(samples)
        found[block.name] = float(np.mean((without - own) ** 2)) / unit
    return found
