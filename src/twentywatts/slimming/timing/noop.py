"""Did a step do anything? Steps that silently change nothing, and those that cost, are found by graph and by clock.

A graph that says it is quantised may run in float, a tool that found nothing to change reports success, zeros that no
kernel skips save nothing: the graph that runs in truth is looked at, and the time must move beyond noise.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.runtime import shipped_session
from twentywatts.slimming.candidate import Candidate
from twentywatts.uncertain import Interval

__all__ = ["NOISE_FRAC", "Effect", "Standing", "effect", "executed", "idle_reason", "standing_of"]

NOISE_FRAC = 0.03  # two sessions of the same model differ by this much: memory lies elsewhere
_PRODUCTS = frozenset(("Conv", "FusedConv", "ConvTranspose", "Gemm", "MatMul", "FusedMatMul", "FusedGemm"))
_INTEGER = frozenset(
    "QLinearConv QLinearMatMul QGemm QAttention MatMulInteger MatMulIntegerToFloat ConvInteger "
    "DynamicQuantizeMatMul QLinearConvTranspose".split()
)
_BLOCKS = frozenset(("MatMulNBits",))
_QUIET = frozenset(
    ("distil", "qat", "repair", "export", "train")
)  # steps that change values, from which no time is expected


class Standing(StrEnum):
    """What a step came to."""

    SAVES = "saves"
    COSTS = "costs"
    NONE = "no effect"
    KEPT = "changes values only"
    UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one step did to the model: how that stands, a sentence, and the saving where it was measured."""

    step: str
    standing: Standing
    sentence: str
    saving: Interval | None = None


def effect(before: Candidate, after: Candidate, *, saving: Interval | None = None) -> Effect:
    """Return what the last step of ``after`` did.

    saving: time of ``before`` over that of ``after``, measured in turns (``measuring.against``); None where nothing
    was measured.
    """
    step = after.steps[-1] if after.steps else None
    name = step.brief if step else "as given"
    idle = idle_reason(before, after)
    if idle:
        return Effect(step=name, standing=Standing.NONE, sentence=f"no effect: {idle}", saving=saving)
    if saving is None:
        return Effect(step=name, standing=Standing.UNKNOWN, sentence="the graph changed; no time was measured")
    if step and step.name in _QUIET:
        return Effect(step=name, standing=Standing.KEPT, sentence="changes values, not work", saving=saving)
    return Effect(step=name, standing=standing_of(saving), sentence=_sentence(saving), saving=saving)


def standing_of(saving: Interval) -> Standing:
    """Return how a measured saving stands: it must lie beyond noise to count."""
    if saving.low > 1 + NOISE_FRAC:
        return Standing.SAVES
    return Standing.COSTS if saving.high < 1 / (1 + NOISE_FRAC) else Standing.NONE


def _sentence(saving: Interval) -> str:
    span = f"{saving.low:.2f} to {saving.high:.2f}"
    if standing_of(saving) is Standing.SAVES:
        return f"saves: {saving.mid:.2f} times less processor time ({span})"
    if standing_of(saving) is Standing.COSTS:
        return f"costs: {1 / saving.mid:.2f} times the processor time ({1 / saving.high:.2f} to {1 / saving.low:.2f})"
    return f"no effect: the time did not move beyond noise (ratio {span})"


def idle_reason(before: Candidate, after: Candidate) -> str:
    """Return why the last step of ``after`` did nothing to the graph, or an empty string where it did something."""
    if before.digest == after.digest:
        return "the model is the same, byte for byte"
    name = after.steps[-1].name if after.steps else ""
    rule = _RULES.get(name)
    return rule(before, after) if rule else ""


def executed(content: bytes) -> Counter[str]:
    """Return how many nodes of each kind the runtime executes in the session that ships, after its own rewriting."""
    import onnx

    with tempfile.TemporaryDirectory(prefix="twentywatts-") as folder:
        path = Path(folder, "runs.onnx")
        shipped_session(content, what="the candidate", save_to=path)
        model = onnx.load(path)
    return Counter(node.op_type for node in model.graph.node)


def _no_integers(before: Candidate, after: Candidate) -> str:
    nodes = executed(after.content)
    if any(nodes[kind] for kind in _INTEGER):
        return ""
    return f"no product runs in integers: the runtime executes {_listed(nodes, _PRODUCTS)} in float"


def _no_blocks(before: Candidate, after: Candidate) -> str:
    nodes = executed(after.content)
    if any(nodes[kind] for kind in _BLOCKS):
        return ""
    return f"no MatMulNBits node: the runtime executes {_listed(nodes, _PRODUCTS)} as before"


def _same_shapes(before: Candidate, after: Candidate) -> str:
    if _shapes(before) == _shapes(after):
        return "every weight has the shape that it had"
    return ""


def _same_zeros(before: Candidate, after: Candidate) -> str:
    zeros = [sum(int((array == 0).sum()) for array in _weights(one).values()) for one in (before, after)]
    return "" if zeros[1] > zeros[0] else "there are no more zeros than before"


def _same_norms(before: Candidate, after: Candidate) -> str:
    norms = [sum(kind == "BatchNormalization" for kind in _kinds(one)) for one in (before, after)]
    return "" if norms[1] < norms[0] else "there are as many BatchNormalization nodes as before"


def _same_values(before: Candidate, after: Candidate) -> str:
    ours, theirs = _weights(before), _weights(after)
    if ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours):
        return "every weight is what it was"
    return ""


def _shapes(candidate: Candidate) -> Counter[tuple[int, ...]]:
    return Counter(array.shape for array in _weights(candidate).values())


def _weights(candidate: Candidate) -> dict[str, NDArray[Any]]:
    """Return every initialiser of two or more elements by name; scalars are settings, not weights."""
    import onnx

    graph = onnx.load_from_string(candidate.content).graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return {name: array for name, array in arrays.items() if array.size > 1}


def _kinds(candidate: Candidate) -> list[str]:
    import onnx

    return [node.op_type for node in onnx.load_from_string(candidate.content).graph.node]


def _listed(nodes: Mapping[str, int], kinds: frozenset[str]) -> str:
    found = [f"{nodes[kind]} {kind}" for kind in sorted(kinds) if nodes.get(kind)]
    return ", ".join(found) or "no products"


_RULES: Mapping[str, Callable[[Candidate, Candidate], str]] = {
    "int8": _no_integers,
    "int4": _no_blocks,
    "prune": _same_shapes,
    "lowrank": _same_shapes,
    "zeros": _same_zeros,
    "fold": _same_norms,
    "distil": _same_values,
    "qat": _same_values,
}
