"""What a student learns: inputs, the teacher's answers to them, and the targets that were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from twentywatts.errors import DataError, RefusedError, clean
from twentywatts.forms.runtime import BatchRunner, check_inputs, open_session, run_session, with_outputs
from twentywatts.readers.samples import Samples
from twentywatts.slimming.learning.trainable.graph import Graph, graph_of
from twentywatts.slimming.learning.trainable.module import GraphModule
from twentywatts.slimming.learning.training.losses import Answer, Loss, likeness, loss_of

if TYPE_CHECKING:
    from twentywatts.slimming.learning.distil import Schedule

__all__ = ["Lesson", "lesson_of"]

_BATCH = 64  # samples that the teacher answers at once
_LAST = {"Softmax": Answer.CLASSES, "LogSoftmax": Answer.CLASSES, "Sigmoid": Answer.YES_OR_NO}
_FEATURE_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """Tensors with samples first.

    inputs: by name. scores: name of the student's tensor that ``answers`` belong to. others: the teacher's values of
    further outputs, by name. features: the teacher's, by name. wanted: targets, None where only the teacher is heard.
    """

    inputs: Mapping[str, Any]
    scores: str
    answers: Any
    wanted: Any
    loss: Loss
    others: Mapping[str, tuple[Any, Loss]]
    features: Mapping[str, Any]
    feature_weight: float
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.answers)

    def taken(self, rows: Any) -> dict[str, Any]:
        """Return the inputs of some samples."""
        return {name: _images_last(x.index_select(0, rows)) for name, x in self.inputs.items()}

    def names(self) -> tuple[str, ...]:
        """Return the tensors that the student must give beside its outputs."""
        return (self.scores, *self.features)

    def error(self, found: Mapping[str, Any], rows: Any) -> Any:
        """Return the loss of the student's tensors for the samples ``rows``."""
        wanted = None if self.wanted is None else self.wanted.index_select(0, rows)
        total = self.loss(found[self.scores], self.answers.index_select(0, rows), wanted)
        for name, (taught, loss) in self.others.items():
            total = total + loss(found[name], taught.index_select(0, rows), None)
        for name, taught in self.features.items():
            total = total + self.feature_weight * likeness(found[name], taught.index_select(0, rows))
        return total


def _images_last(x: Any) -> Any:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def lesson_of(module: GraphModule, teacher: bytes, samples: Samples, *, schedule: Schedule) -> Lesson:
    """Return the lesson of a student from its teacher's ONNX model.

    Raises DataError where samples do not fit the model or a feature is unknown, RefusedError where the two models do
    not answer alike, or where there are targets alone to learn from and they do not fit.
    """
    theirs = graph_of(teacher)
    own_scores, _ = _scores(module.graph)
    name, kind = _scores(theirs)
    is_taught = schedule.hard_frac < 1
    others = [output for output in theirs.outputs[1:] if output in module.graph.outputs and is_taught]
    feeds, found = _answers(teacher, samples, [name, *others, *schedule.features])
    inputs = {spec.name: _as_tensor(feeds, spec.name, spec.dtype) for spec in module.graph.inputs}
    answers = found[name]
    kind, axis, wanted, notes = _judged(kind, answers, samples.targets)
    if wanted is None and not is_taught:
        raise RefusedError("targets are no answers of this model: without a teacher there is nothing to learn from")
    variance = float(answers.var()) if answers.numel() > 1 else 1.0
    loss = loss_of(kind, temperature=schedule.temperature, hard_frac=schedule.hard_frac, axis=axis, variance=variance)
    with torch.no_grad():
        first = module({key: x[: _room(module)] for key, x in inputs.items()}, (own_scores, *schedule.features))
    if tuple(first[own_scores].shape[1:]) != tuple(answers.shape[1:]):
        raise RefusedError(
            f"the student answers with shape {tuple(first[own_scores].shape[1:])}, its teacher with "
            f"{tuple(answers.shape[1:])}: it cannot learn from it"
        )
    return Lesson(
        inputs=inputs,
        scores=own_scores,
        answers=answers,
        wanted=wanted,
        loss=loss,
        others={key: (found[key], _plain_distance(found[key])) for key in others if found[key].is_floating_point()},
        features={key: found[key] for key in schedule.features},
        feature_weight=schedule.feature_weight,
        notes=notes,
    )


def _room(module: GraphModule) -> int:
    """Return how many samples the graph takes at once, at least: the number that it declares, or one."""
    sizes = [spec.shape[0] for spec in module.graph.inputs if spec.shape]
    return max([size for size in sizes if size] or [1])


def _plain_distance(taught: Any) -> Loss:
    variance = float(taught.var()) if taught.numel() > 1 else 1.0
    return loss_of(Answer.VALUES, temperature=1.0, hard_frac=0.0, variance=variance)


def _scores(graph: Graph) -> tuple[str, Answer]:
    """Return the tensor that holds the first output's scores, before a softmax or sigmoid at the end, and its kind."""
    name = graph.outputs[0]
    makers = {output: call for call in graph.calls for output in call.outputs}
    call = makers.get(name)
    while call is not None and call.op in ("Identity", "Cast") and call.inputs[0] in makers:
        call = makers[call.inputs[0]]
    if call is not None and call.op in _LAST and call.inputs[0] in makers:
        return call.inputs[0], _LAST[call.op]
    return name, Answer.VALUES


def _answers(teacher: bytes, samples: Samples, names: Sequence[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the samples as the teacher takes them, and its tensors called ``names``; onnxruntime runs it."""
    import onnx

    session = open_session(teacher, what="the teacher")
    feeds = check_inputs(session, samples.inputs)
    wanted = list(dict.fromkeys(names))
    known = {output.name for output in session.get_outputs()}
    if not set(wanted) <= known:
        model = onnx.ModelProto.FromString(teacher)
        made = {output for node in model.graph.node for output in node.output} | known
        missing = [name for name in wanted if name not in made]
        if missing:
            raise DataError(f"the teacher makes no tensor '{clean(missing[0])}' that could be matched")
        session = open_session(with_outputs(model, wanted), what="the teacher")
    sizes = {spec.shape[0] for spec in session.get_inputs() if spec.shape and isinstance(spec.shape[0], int)}
    runner = BatchRunner(fixed=max(sizes) if sizes else None, limit=_BATCH)
    parts: list[list[NDArray[Any]]] = [[] for _ in wanted]
    for batch, real in runner.batches(feeds):
        for part, array in zip(parts, run_session(session, batch, wanted, what="float"), strict=True):
            part.append(np.asarray(array)[:real])
    found = {name: _together(name, part, samples.count) for name, part in zip(wanted, parts, strict=True)}
    return feeds, found


def _together(name: str, parts: list[NDArray[Any]], count: int) -> Any:
    array = np.concatenate(parts) if parts[0].ndim else np.stack(parts)
    if len(array) != count:
        raise RefusedError(f"the teacher's tensor '{clean(name)}' does not have samples as its first axis")
    if array.nbytes > _FEATURE_BYTES:
        raise DataError(
            f"the teacher's tensor '{clean(name)}' takes {array.nbytes:,} bytes for all samples, more than 1 GiB"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(
            f"the teacher answers with NaN or infinite values in '{clean(name)}': nothing can learn from them"
        )
    return torch.from_numpy(array.astype(np.float32) if array.dtype == np.float16 else array)


def _as_tensor(feeds: Mapping[str, NDArray[Any]], name: str, dtype: str) -> Any:
    if name not in feeds:
        raise DataError(f"the student needs the input '{clean(name)}', which its teacher has not")
    return torch.from_numpy(np.ascontiguousarray(feeds[name].astype(dtype)))


def _judged(kind: Answer, answers: Any, targets: NDArray[Any]) -> tuple[Answer, int, Any, tuple[str, ...]]:
    """Return the kind of answer, the axis of its classes, the targets as a tensor, and what a reader must know."""
    is_index = targets.dtype.kind in "iu"
    if kind is Answer.YES_OR_NO:
        fits = targets.size == answers.numel() and float(targets.min()) >= 0 and float(targets.max()) <= 1
        return kind, 1, torch.from_numpy(targets.astype(np.float32)) if fits else None, ()
    axis = _class_axis(tuple(answers.shape), targets.shape) if is_index else None
    if axis is not None:
        inside = int(targets.min()) >= 0 and int(targets.max()) < answers.shape[axis]
        note = () if inside else ("targets lie outside of the model's classes: only the teacher's answers are learned",)
        return Answer.CLASSES, axis, torch.from_numpy(targets.astype(np.int64)) if inside else None, note
    if kind is Answer.CLASSES:
        return kind, answers.ndim - 1, None, ("targets are no classes of this model: only the teacher is learned from",)
    fits = targets.size == answers.numel() and not is_index
    return Answer.VALUES, 1, torch.from_numpy(targets.astype(np.float32)) if fits else None, ()


def _class_axis(answers: tuple[int, ...], targets: tuple[int, ...]) -> int | None:
    """Return the axis of the classes, where targets have all the others; None where they do not fit."""
    for axis in dict.fromkeys((1, len(answers) - 1)):
        if len(answers) > axis and answers[axis] > 1 and answers[:axis] + answers[axis + 1 :] == targets:
            return axis
    return None
