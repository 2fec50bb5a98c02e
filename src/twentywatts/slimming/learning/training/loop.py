"""The passes: Adam along a cosine, one thread, an order of samples that hangs on the seed alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from twentywatts.errors import DataError, RefusedError, clean
from twentywatts.slimming.learning.distil import TOO_LONG, least_epochs
from twentywatts.slimming.learning.trainable.module import GraphModule
from twentywatts.slimming.learning.training.adam import Adam
from twentywatts.slimming.learning.training.lesson import Lesson
from twentywatts.slimming.learning.training.rounding import Rounding

if TYPE_CHECKING:
    from twentywatts.slimming.learning.distil import Schedule

__all__ = ["Outcome", "train"]

_JUDGED = 1024  # samples that judge the weights before and after
_RISE = 0.03  # of the steps
_PACED = 5  # steps after which it is known how long they take
_SLACK_FRAC = 0.2  # the first steps are the slowest
_FEW = 8  # samples of a batch below which its own statistics say too little


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a training did: whole passes, the mean loss in evaluation before and after, and what a reader must know."""

    epoch_count: int
    loss_before: float
    loss_after: float
    notes: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Run:
    """A training under way. total: steps that are planned. best: weights of the pass with the lowest mean loss."""

    module: GraphModule
    rounding: Rounding | None
    lesson: Lesson
    schedule: Schedule
    masks: list[tuple[Any, Any]]
    optimiser: Adam
    room: int | None
    started_s: float
    total: int = 0
    step: int = 0
    epoch_count: int = 0
    best: tuple[float, dict[str, Any]] = (math.inf, {})
    notes: list[str] = field(default_factory=list)


def train(
    module: GraphModule,
    lesson: Lesson,
    *,
    schedule: Schedule,
    keep: Mapping[str, NDArray[np.bool_]],
    progress: Callable[[str, float], None],
    rounding: Rounding | None = None,
) -> Outcome:
    """Train ``module`` in place. rounding: rounds weights and activations in each step, and where the loss is judged.

    Where the loss in evaluation is not lower afterwards, the best of first, last and best pass is kept, with a note.
    """
    started_s = time.monotonic()
    with _one_thread(), _channels_last(module):
        run = _Run(
            module=module,
            rounding=rounding,
            lesson=lesson,
            schedule=schedule,
            masks=_masks(module, keep),
            optimiser=Adam(module.parameters()),
            room=_room(module, lesson),
            started_s=started_s,
        )
        _apply(run.masks)
        start, before = _state(module), _judged(run)
        _passes(run, progress)
        after = _settled(run, start, before)
        module.eval()
    return Outcome(epoch_count=run.epoch_count, loss_before=before, loss_after=after, notes=tuple(run.notes))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch run in one thread, so that no order of sums differs between two runs."""
    thread_count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(thread_count)


@contextmanager
def _channels_last(module: GraphModule) -> Iterator[None]:
    """Lay images and kernels out with channels last, which poolings on a processor need to be quick."""
    module.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        module.to(memory_format=torch.contiguous_format)


def _masks(module: GraphModule, keep: Mapping[str, NDArray[np.bool_]]) -> list[tuple[Any, Any]]:
    """Return parameters with the tensors of 0 and 1 that they are multiplied with after each step."""
    found = []
    for name, mask in keep.items():
        if name not in module.slots:
            raise DataError(f"there is no weight '{clean(name)}' whose zeros could be kept")
        path, turned = module.slots[name]
        parameter = module.get_parameter(path)
        value = torch.from_numpy(np.ascontiguousarray(mask.T if turned else mask)).to(parameter.dtype)
        if value.shape != parameter.shape:
            raise DataError(f"the mask of '{clean(name)}' has shape {mask.shape}, the weight another")
        found.append((parameter, value))
    return found


def _apply(masks: list[tuple[Any, Any]]) -> None:
    with torch.no_grad():
        for parameter, mask in masks:
            parameter.mul_(mask)


def _room(module: GraphModule, lesson: Lesson) -> int | None:
    """Return how many samples run at once where the graph fixes that, None where it does not.

    A graph that declares a size may still run on another: it is tried on twice as many, and must say the same.
    """
    sizes = {spec.shape[0] for spec in module.graph.inputs if spec.shape and spec.shape[0]}
    if not sizes:
        return None
    size = max(size for size in sizes if size)
    if lesson.count < size:
        raise DataError(f"the model runs on {size} samples at once, there are {lesson.count} to train on")
    rows = torch.arange(2 * size) % lesson.count
    with torch.no_grad():
        parts = [module(lesson.taken(part), lesson.names())[lesson.scores] for part in rows.split(size)]
        try:
            whole = module(lesson.taken(rows), lesson.names())[lesson.scores]
        except RefusedError:
            return size
    single = torch.cat(parts)
    return None if whole.shape == single.shape and torch.allclose(whole, single, rtol=1e-3, atol=1e-4) else size


def _state(module: GraphModule) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _restore(module: GraphModule, state: dict[str, Any]) -> None:
    with torch.no_grad():
        for name, value in module.state_dict().items():
            value.copy_(state[name])


def _judged(run: _Run) -> float:
    """Return the mean loss in evaluation over the first samples."""
    run.module.eval()
    rows = torch.arange(min(run.lesson.count, _JUDGED))
    with torch.no_grad(), _rounded(run):
        losses = [(float(_loss(run, part)), len(part)) for part in _parts(rows, run.room or 256, run.room)]
    return sum(loss * size for loss, size in losses) / max(sum(size for _, size in losses), 1)


def _parts(rows: Any, size: int, room: int | None) -> list[Any]:
    """Return rows in parts of ``size``; a short rest joins the part before it, or is left out where sizes are fixed."""
    parts = list(rows.split(size))
    if len(parts) > 1 and len(parts[-1]) < (size if room else size / 2):
        rest = parts.pop()
        if room is None:
            parts[-1] = torch.cat([parts[-1], rest])
    return parts


def _loss(run: _Run, rows: Any) -> Any:
    seen = run.rounding.seen if run.rounding else None
    found = run.module(run.lesson.taken(rows), run.lesson.names(), seen)
    return run.lesson.error(found, rows)


def _rounded(run: _Run) -> AbstractContextManager[None]:
    return run.rounding.weights() if run.rounding else nullcontext()


def _passes(run: _Run, progress: Callable[[str, float], None]) -> None:
    """Train until the passes are done, the deadline is near, or the loss is no number any more."""
    schedule, count = run.schedule, run.lesson.count
    generator = torch.Generator().manual_seed(schedule.seed)
    size = schedule.batch if run.room is None else max(1, schedule.batch // run.room) * run.room
    _set_training(run, min(size, count) if run.room is None else run.room)
    per_epoch = len(_parts(torch.arange(count), size, run.room))
    run.total = per_epoch * schedule.epochs
    while run.step < run.total:
        progress(f"training, pass {run.epoch_count + 1} of {run.total // per_epoch}", run.step / run.total)
        began_s = time.monotonic()
        parts = _parts(torch.randperm(count, generator=generator), size, run.room)
        mean = None if _is_late(run, per_epoch) else _epoch(run, parts)
        if mean is None:
            return
        run.epoch_count += 1
        if mean < run.best[0]:
            run.best = (mean, _state(run.module))
        if schedule.deadline_s is not None:
            left_s = schedule.deadline_s - (time.monotonic() - run.started_s)
            affordable = int(max(0.0, left_s) / max(time.monotonic() - began_s, 1e-9))
            run.total = min(run.total, run.step + affordable * per_epoch)


def _set_training(run: _Run, size: int) -> None:
    """Put the module into training; statistics of batches that are too small stay as they are."""
    run.module.train()
    if size < _FEW:
        for part in run.module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()


def _epoch(run: _Run, parts: list[Any]) -> float | None:
    """Return the mean loss of one pass; None where it was left early, for a reason that is noted."""
    total = 0.0
    for rows in parts:
        if run.schedule.deadline_s is not None and time.monotonic() - run.started_s > run.schedule.deadline_s:
            run.notes.append(f"training ended at its deadline of {run.schedule.deadline_s:g} s within a pass")
            return None
        loss = _one_step(run, rows)
        if _is_late(run, len(parts)):
            return None
        if not math.isfinite(loss):
            run.notes.append(f"the loss was no number in pass {run.epoch_count + 1}: training ended there")
            return None
        total += loss * len(rows)
    return total / max(sum(len(rows) for rows in parts), 1)


def _is_late(run: _Run, per_epoch: int) -> bool:
    """Tell, and note, that the fewest passes that would tell anything cannot be done by the deadline any more."""
    taken_s, least = time.monotonic() - run.started_s, least_epochs(run.schedule, run.lesson.count) * per_epoch
    if run.schedule.deadline_s is None or run.step < _PACED or run.step >= least:
        return False
    needed_s = least * taken_s / run.step
    if needed_s <= run.schedule.deadline_s * (1 + _SLACK_FRAC):
        return False
    run.notes.append(
        f"{TOO_LONG} {needed_s:.0f} s at least, {run.schedule.deadline_s:.0f} s were left: it was ended after "
        f"{taken_s:.1f} s"
    )
    return True


def _one_step(run: _Run, rows: Any) -> float:
    """Move the weights once and return the loss before it; the learning rate falls along a cosine."""
    run.optimiser.zero_grad()
    parts = _parts(rows, run.room, run.room) if run.room else [rows]
    total = 0.0
    with _rounded(run):
        for part in parts:
            loss = _loss(run, part) * (len(part) / len(rows))
            loss.backward()
            total += float(loss.detach())
    if math.isfinite(total):
        run.optimiser.step((run.schedule.learning_rate or 0.0) * _share(run.step, run.total))
        _apply(run.masks)
    run.step += 1
    return total


def _share(step: int, total: int) -> float:
    """Return the part of the learning rate that a step takes: a short rise, then a cosine."""
    rise = (step + 1) / max(1.0, _RISE * total)
    return min(1.0, rise) * 0.5 * (1.0 + math.cos(math.pi * step / total))


def _settled(run: _Run, start: dict[str, Any], before: float) -> float:
    """Leave the best weights in the module and return their loss."""
    after = _judged(run) if _is_finite(run.module) else math.inf
    if after <= before:
        return after
    found = [(after, _state(run.module), "the last pass"), (before, start, "the beginning")]
    if run.best[1]:
        _restore(run.module, run.best[1])
        middle = _judged(run) if _is_finite(run.module) else math.inf
        found.append((middle, run.best[1], "the best pass"))
    usable = [entry for entry in found if math.isfinite(entry[0])] or [found[1]]
    loss, state, where = min(usable, key=lambda entry: entry[0])
    _restore(run.module, state)
    _apply(run.masks)
    run.notes.append(
        f"training did not lower the loss ({before:.3g} before, {after:.3g} after): the weights of {where} were kept"
    )
    return loss


def _is_finite(module: GraphModule) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in module.state_dict().values())
