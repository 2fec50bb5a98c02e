"""Distillation: a small network learns the answers of the one it was cut from, and the classes that were given.

Where targets are classes the loss is  (1 − h) T² KL(teacher / T ‖ student / T) + h CE(student, class);  for values it
is the squared error against both, in units of the teacher's variance. Features of any width are compared by how alike
they find two samples of a batch.
Source: Hinton et al. 2015 (arXiv 1503.02531); features: Tung & Mori 2019 (arXiv 1907.09682).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import DataError, InputError, MissingExtraError, clean
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import UNTIED, Candidate, Step, Value

if TYPE_CHECKING:
    from twentywatts.slimming.learning.trainable.graph import Graph
    from twentywatts.slimming.learning.training.loop import Outcome

__all__ = [
    "TOO_LONG",
    "Masks",
    "Progress",
    "Schedule",
    "distil",
    "is_too_short",
    "least_epochs",
    "marked",
    "planted_zeros",
]

Progress = Callable[[str, float], None]
Masks = Mapping[str, NDArray[np.bool_]]

TOO_LONG = "it would take"  # how the note begins that tells of a training that could not end
_USUAL_RATE, _ATTENTIVE_RATE = 4e-3, 2e-3  # of Adam with batches of 64
_LEAST_STEPS = 500  # of training: what had fewer, and not a quarter of its passes, tells nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How a network is trained.

    epochs: passes over the samples. batch: samples of one step. learning_rate: of Adam, rising over the first steps,
    then falling to nothing along a cosine; None takes what suits the network. temperature: what scores are divided by
    before they are compared. hard_frac: weight of the given targets beside the teacher's answers, 0 to 1. features:
    names of tensors, alike in teacher and student, that are matched too; feature_weight: their weight beside the rest.
    deadline_s: [s] training ends by then, in fewer passes where need be (None: never); what is trained then hangs on
    how fast the machine is. seed: of the order of the samples. is_narrow: of ``qat`` alone, which then learns for
    weights of seven bits (``quantised(…, is_narrow=True)``).
    """

    epochs: int = 40
    batch: int = 64
    learning_rate: float | None = None
    temperature: float = 2.0
    hard_frac: float = 0.3
    features: tuple[str, ...] = ()
    feature_weight: float = 1.0
    deadline_s: float | None = None
    seed: int = 0
    is_narrow: bool = False

    def check(self) -> None:
        """Raise InputError for a value that makes no sense."""
        for name in ("epochs", "batch"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} of a training must be a whole number of at least 1, got {value!r}")
        for name in ("learning_rate", "temperature"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} of a training must be a number above 0, got {value!r}")
        if not (np.isfinite(self.feature_weight) and self.feature_weight >= 0):
            raise InputError(f"feature_weight of a training must be a number, got {self.feature_weight!r}")
        if not 0 <= self.hard_frac <= 1:
            raise InputError(f"hard_frac of a training must lie between 0 and 1, got {self.hard_frac!r}")
        if self.deadline_s is not None and not self.deadline_s >= 0:
            raise InputError(f"deadline_s of a training must be a number of seconds, got {self.deadline_s!r}")


def distil(
    candidate: Candidate,
    *,
    teacher: Candidate,
    samples: Samples,
    schedule: Schedule | None = None,
    keep: Masks | None = None,
    progress: Progress = lambda text, share: None,
) -> Candidate:
    """Return the candidate trained to answer as ``teacher`` does, and as the targets say.

    keep: masks by name of the weight (see ``planted_zeros``): where one is False the weight stays zero. progress is
    told what happens, and the share that is done. The same seed gives the same bytes (without a deadline); torch's own
    generator is not touched, and one thread is used, so that no order of sums differs.
    Where training does not lower the loss the best weights so far come back, with a note; never weights that are not
    finite. Raises MissingExtraError without torch, RefusedError naming a layer that cannot be trained, DataError for
    samples that do not fit or are not finite, InputError for a schedule that makes no sense.
    Where only targets count (``hard_frac`` of one) the step is called ``train``; the teacher then says what its answers
    are, and nothing more, and RefusedError is raised where targets are no answers of the model.
    """
    schedule = schedule or Schedule()
    schedule.check()
    check_finite(samples)
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    from twentywatts.slimming.learning.trainable import trainable, written
    from twentywatts.slimming.learning.training.lesson import lesson_of
    from twentywatts.slimming.learning.training.loop import train

    module = trainable(candidate.content)
    schedule = replace(schedule, learning_rate=schedule.learning_rate or usual_rate(module.graph))
    lesson = lesson_of(module, teacher.content, samples, schedule=schedule)
    outcome = train(module, lesson, schedule=schedule, keep=keep or {}, progress=progress)
    step = step_of(
        "train" if schedule.hard_frac == 1 else "distil", outcome, schedule, teacher=teacher, notes=lesson.notes
    )
    return candidate.then(marked(step, candidate.content, module.content), written(module))


def marked(step: Step, before: bytes, after: bytes) -> Step:
    """Return a training's step, marked where vectors that layers shared were parted before it."""
    return step if before == after else replace(step, settings={**step.settings, UNTIED: True})


def step_of(name: str, outcome: Outcome, schedule: Schedule, *, teacher: Candidate, notes: tuple[str, ...]) -> Step:
    """Return what a training did as a step, with its losses before and after."""
    settings: dict[str, Value] = {
        "epochs": outcome.epoch_count,
        "learning_rate": schedule.learning_rate or 0.0,
        "temperature": schedule.temperature,
        "hard_frac": schedule.hard_frac,
        "teacher": teacher.digest[:12],
        "loss_before": outcome.loss_before,
        "loss_after": outcome.loss_after,
    }
    return Step(name=name, settings=settings, seed=schedule.seed, notes=(*notes, *outcome.notes))


def is_too_short(trained: Candidate, schedule: Schedule, count: int) -> bool:
    """Tell whether a training was cut so short by its deadline that it tells nothing about what was trained.

    trained: its last step is the training, on ``count`` samples.
    """
    return int(trained.steps[-1].settings["epochs"]) < least_epochs(schedule, count)


def least_epochs(schedule: Schedule, count: int) -> int:
    """Return the passes over ``count`` samples below which a training tells nothing about what was trained."""
    return min(math.ceil(schedule.epochs / 4), math.ceil(_LEAST_STEPS * schedule.batch / count))


def check_finite(samples: Samples) -> None:
    """Raise DataError where there is nothing to train on, or what is there holds NaN or infinite values."""
    if samples.count < 1:
        raise DataError(f"'{clean(samples.name)}' holds no samples to train on")
    for name, array in (*samples.inputs.items(), ("y", samples.targets)):
        if np.asarray(array).dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(
                f"'{clean(samples.name)}': '{clean(name)}' holds NaN or infinite values: nothing can learn from them"
            )
        if len(array) != samples.count:
            raise DataError(f"'{clean(samples.name)}': '{clean(name)}' holds {len(array)} samples, 'y' {samples.count}")


def usual_rate(graph: Graph) -> float:
    """Return the learning rate that suits a network: attention takes smaller steps than convolutions."""
    from twentywatts.slimming.learning.trainable.graph import is_attentive

    return _ATTENTIVE_RATE if is_attentive(graph) else _USUAL_RATE


def planted_zeros(content: bytes) -> dict[str, NDArray[np.bool_]]:
    """Return masks for ``keep``: False at each exact zero of every weight matrix that has one."""
    from twentywatts.slimming.learning.trainable.graph import graph_of

    graph = graph_of(content)
    found: dict[str, NDArray[Any]] = {name: graph.constants[name] != 0 for name in sorted(graph.weights)}
    return {name: mask for name, mask in found.items() if mask.ndim > 1 and not mask.all()}
