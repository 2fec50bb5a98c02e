"""An architecture from nothing: its weights are drawn anew, and learned from the targets alone.

No teacher is asked and no kernel, matrix, table or normalisation keeps what the model as given has learned, so that
what comes out is what somebody would have who had chosen this architecture in the first place. The step counts the
few numbers that stay (scales, and vectors that no rule knows).
Source: He et al. 2015 (arXiv 1502.01852) for networks that rectify, LeCun et al. 1998 (Efficient BackProp) for others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import RefusedError
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.learning.distil import Progress, Schedule, distil
from twentywatts.slimming.learning.trainable.graph import Call, Graph, graph_of, is_attentive
from twentywatts.slimming.learning.trainable.writing import with_weights

__all__ = ["anew", "trained_anew"]

Array = NDArray[np.floating]
_PRELU = 0.25  # what torch begins with
_PRODUCTS = frozenset("Conv ConvTranspose Gemm MatMul".split())
_NORMS = frozenset("BatchNormalization LayerNormalization InstanceNormalization GroupNormalization".split())
_NORMS |= frozenset("RMSNormalization SimplifiedLayerNormalization".split())


def trained_anew(
    candidate: Candidate,
    *,
    given: Candidate,
    samples: Samples,
    schedule: Schedule | None = None,
    progress: Progress = lambda text, share: None,
) -> Candidate:
    """Return the candidate's architecture trained from nothing on the targets of ``samples``.

    given: the model that was given; it says what its answers are (classes, values), and teaches nothing. Raises as
    ``distil`` does, and RefusedError where targets are no answers of the model: there is nothing else to learn from.
    """
    schedule = replace(schedule or Schedule(), hard_frac=1.0, features=())
    blank = anew(candidate, seed=schedule.seed)
    return distil(blank, teacher=given, samples=samples, schedule=schedule, progress=progress)


def anew(candidate: Candidate, *, seed: int = 0) -> Candidate:
    """Return the candidate with its weights drawn anew, the same for the same seed.

    Kernels and matrices are normal, with a variance of 2 over what comes in where the network rectifies, of 1 over it
    where it attends; tables (embeddings, positions) are normal and as wide as they were; normalisations scale by one
    and shift by nothing; biases are zero. Single numbers, and what is added or multiplied in no place that is known,
    stay: they scale and belong to the architecture. Raises RefusedError where nothing can be drawn.
    """
    graph = graph_of(candidate.content)
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = {name: array for name, array in _drawn(graph, generator) if array is not None}
    if not drawn:
        raise RefusedError("the model has no weights that could be drawn anew")
    content = with_weights(candidate.content, {**drawn, **_statistics(graph)})
    if content is None:
        raise RefusedError("weights that the model computes cannot be drawn anew")
    settings = {"drawn": len(drawn), "left": len(graph.weights) - len(drawn)}
    return candidate.then(Step(name="anew", settings=settings, seed=seed), content)


def _drawn(graph: Graph, generator: np.random.Generator) -> Iterable[tuple[str, Array | None]]:
    """Yield every weight by name with what it begins as, None where it stays."""
    uses = graph.uses()
    makers = {output: call for call in graph.calls for output in call.outputs}
    gain = 1.0 if is_attentive(graph) else 2.0
    for name in sorted(graph.weights):
        call, index = uses[name][0]
        array = graph.constants[name]
        found = _begun(call, index, array, gain=gain, makers=makers)
        yield name, None if found is None else found(generator).astype(array.dtype)


Draw = Callable[[np.random.Generator], Array]


def _begun(call: Call, index: int, array: Array, *, gain: float, makers: Mapping[str, Call]) -> Draw | None:
    """Return how a weight at one input of a layer begins; None where it stays."""
    if call.op in _NORMS:
        return (lambda _: np.ones(array.shape)) if index == 1 else (lambda _: np.zeros(array.shape))
    if call.op == "PRelu":
        return lambda _: np.full(array.shape, _PRELU)
    if call.op in _PRODUCTS and index < 2:
        return _normal(array.shape, np.sqrt(gain / max(_fan_in(call, index, array.shape), 1)))
    if call.op in _PRODUCTS or _is_bias(call, index, makers):
        return lambda _: np.zeros(array.shape)
    if np.sum(np.array(array.shape) > 1) < 2:  # a scale, or a shift of what is known to nobody
        return None
    return _normal(array.shape, float(array.std()))


def _normal(shape: tuple[int, ...], deviation: float) -> Draw:
    return lambda generator: generator.normal(0.0, deviation, shape)


def _fan_in(call: Call, index: int, shape: tuple[int, ...]) -> int:
    """Return how many products each sum of a layer adds up."""
    if call.op == "Conv":
        return int(np.prod(shape[1:]))
    if call.op == "ConvTranspose":
        strides = call.attributes.get("strides") or (1,)
        return int(np.prod(shape) / max(shape[1], 1) / call.attributes.get("group", 1) / np.prod(strides))
    if call.op == "Gemm":
        is_turned = bool(call.attributes.get("transB" if index else "transA", 0))
        return shape[1] if is_turned == bool(index) else shape[0]
    return shape[-2] if index and len(shape) > 1 else shape[-1]


def _is_bias(call: Call, index: int, makers: Mapping[str, Call]) -> bool:
    """Tell whether a weight is added to what a product gives."""
    if call.op != "Add" or len(call.inputs) != 2:
        return False
    maker = makers.get(call.inputs[1 - index])
    return maker is not None and maker.op in _PRODUCTS


def _statistics(graph: Graph) -> dict[str, Array]:
    """Return means of zero and variances of one for every batch normalisation that keeps them as constants."""
    found: dict[str, Array] = {}
    for call in graph.calls:
        if call.op == "BatchNormalization":
            for name, value in zip(call.inputs[3:5], (0.0, 1.0), strict=False):
                if name in graph.constants:
                    found[name] = np.full(graph.constants[name].shape, value, graph.constants[name].dtype)
    return found
