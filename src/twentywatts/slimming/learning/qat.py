"""Quantisation-aware fine-tuning: a float network learns to be right once its numbers have eight bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from twentywatts.errors import MissingExtraError
from twentywatts.forms.runtime import folded_model
from twentywatts.readers import read
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import PREPARED, Candidate
from twentywatts.slimming.cutting.settle import serialised
from twentywatts.slimming.files import candidate_file
from twentywatts.slimming.learning.distil import Masks, Progress, Schedule, check_finite, marked, step_of, usual_rate
from twentywatts.slimming.steps.fold import fold
from twentywatts.slimming.steps.int8 import quantised

__all__ = ["qat"]

_EPOCHS = 10
_SLOWER = 0.25  # of the usual learning rate: the network is trained already


def qat(
    candidate: Candidate,
    *,
    teacher: Candidate,
    samples: Samples,
    schedule: Schedule | None = None,
    keep: Masks | None = None,
    progress: Progress = lambda text, share: None,
) -> Candidate:
    """Return the candidate, still in float, trained with its weights and activations rounded as int8 will round them.

    Weights are rounded symmetrically by channel, activations to 256 levels of a range that follows the samples, where
    onnxruntime's quantiser would do so. BatchNormalization is folded first, as it is before every quantisation. The
    losses of the step are those of the rounded network, so the first is that of quantising without this. Arguments and
    errors are those of ``distil``; the schedule is shorter and slower where none is given.
    """
    schedule = schedule or Schedule(epochs=_EPOCHS)
    schedule.check()
    check_finite(samples)
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    from twentywatts.slimming.learning.trainable import trainable, weights_of, written
    from twentywatts.slimming.learning.trainable.untie import untied
    from twentywatts.slimming.learning.trainable.writing import with_weights
    from twentywatts.slimming.learning.training.lesson import lesson_of
    from twentywatts.slimming.learning.training.loop import train
    from twentywatts.slimming.learning.training.rounding import Rounding, plan_of

    folded = _folded(candidate)
    base = Candidate(content=untied(folded.content))
    plain = _settled(base)
    module = trainable(plain)
    names = _names(module.content, base.content)
    is_same = with_weights(base.content, _called(weights_of(module), names)) == base.content  # else others stand there
    rounded = quantised(Candidate(content=plain), samples.inputs, is_narrow=schedule.is_narrow)
    rounding = Rounding(module, plan_of(rounded.content, is_narrow=schedule.is_narrow))
    rate = schedule.learning_rate or _SLOWER * usual_rate(module.graph)
    schedule = replace(schedule, learning_rate=rate)
    lesson = lesson_of(module, teacher.content, samples, schedule=schedule)
    outcome = train(module, lesson, schedule=schedule, keep=keep or {}, progress=progress, rounding=rounding)
    step = step_of("qat", outcome, schedule, teacher=teacher, notes=lesson.notes)
    learned = with_weights(base.content, _called(weights_of(module), names)) if is_same else None
    step = marked(step, folded.content, base.content)
    if learned is None:
        step = replace(step, settings={**step.settings, PREPARED: True})
    return folded.then(step, learned or written(module))


def _names(plain: bytes, base: bytes) -> dict[str, str]:
    """Return what a prepared graph calls a layer's vectors → what the base calls them; the matrices tell the layers.

    onnxruntime keeps vectors that are alike once, whatever layers they belong to.
    """
    import onnx

    layers = [list(node.input) for node in onnx.ModelProto.FromString(base).graph.node if node.input[2:]]
    read = Counter(inputs[1] for inputs in layers)
    # a matrix that two layers share tells neither of them
    theirs = {inputs[1]: inputs for inputs in layers if read[inputs[1]] == 1}
    found: dict[str, str] = {}
    for node in onnx.ModelProto.FromString(plain).graph.node:
        if node.input[2:] and len(theirs.get(node.input[1], ())) == len(node.input):
            found |= dict(zip(node.input[2:], theirs[node.input[1]][2:], strict=True))
    return found if len(set(found.values())) == len(found) else {}


def _called(arrays: Mapping[str, NDArray[Any]], names: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    return {names.get(name, name): array for name, array in arrays.items()}


def _folded(candidate: Candidate) -> Candidate:
    """Return the candidate with BatchNormalization folded; as it is, where there was nothing to fold."""
    folded = fold(candidate)
    return candidate if folded.content == candidate.content else folded


def _settled(base: Candidate) -> bytes:
    """Return the graph that the quantiser makes of a candidate before it rounds anything."""
    with candidate_file(base) as path:
        return serialised(folded_model(read(path)))
