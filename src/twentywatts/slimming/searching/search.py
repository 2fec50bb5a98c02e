"""The search: widths group by group while there is time, cheap looks first.

A proposal is cut (nothing is trained), a model of this device that was fitted to the measurements of this very search
says whether it can beat the best, a short training whether it is worth a full one; only what is trained in full and
measured competes. What comes first are the widths between the rungs of the ladder, and longer training of what nearly
kept the metric: in a short time they find more than random widths do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from twentywatts.errors import RefusedError, TwentyWattsError
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.proof.trial import Trial
from twentywatts.slimming.searching.choice import cost_of, likely
from twentywatts.slimming.searching.lab import Lab, Make
from twentywatts.slimming.searching.ladder import EPOCHS, folds
from twentywatts.slimming.searching.making import untrained, why_no_training
from twentywatts.slimming.searching.rungs import FLOAT, Rung
from twentywatts.slimming.searching.sampler import make_sampler
from twentywatts.slimming.steps.prune import widths
from twentywatts.slimming.timing.device_model import DeviceModel, Work, fitted, work_of

__all__ = ["search"]

_MOST_NAMES = 8  # groups are searched one by one up to here; beyond, neighbours share their share
_SHORT = 4  # the short training takes this part of the epochs
_SLACK = 2.0  # of the limit: what loses more after a short training is not trained in full
_LONGER = 3  # times the epochs for what nearly kept the metric
_PENALTY = 3.0  # of a drop by the limit, in powers of e of cost
_LESS = 0.25  # of the widths: what a cut is taken back by where blocks are left out as well
_BETWEEN = (0.875, 0.8125, 0.6875, 0.5625)  # shares that the ladder leaves out

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hunt:
    """A search under way. names: bucket → groups of the model. seen: digests that were cut before."""

    lab: Lab
    make: Make
    names: Mapping[str, tuple[str, ...]]
    base: Rung
    seen: set[str] = field(default_factory=set)
    took_s: list[float] = field(default_factory=list)
    _works: dict[str, Work] = field(default_factory=dict)

    def work(self, candidate: Candidate) -> Work:
        """Return what an inference does, counted once for each candidate."""
        if candidate.digest not in self._works:
            scenario = self.lab.question.scenario
            self._works[candidate.digest] = work_of(candidate, batch=scenario.batch, axes=scenario.axes)
        return self._works[candidate.digest]

    @property
    def limit(self) -> float:
        """The largest drop that counts as kept."""
        return self.lab.question.goal.max_drop

    @property
    def is_time(self) -> bool:
        """Whether there is time for another full training, as long as the ones so far."""
        usual = sorted(self.took_s)[len(self.took_s) // 2] if self.took_s else self.lab.usual_s(self.base)
        return self.lab.clock.left_s > usual

    def rung(self, shares: Mapping[str, float]) -> Rung:
        """Return the request for shares by bucket."""
        cuts = {group: shares[name] for name, groups in self.names.items() for group in groups if shares[name] > 0}
        return replace(self.base, cut=0.0, cuts=cuts)

    def trained(self, rung: Rung) -> list[Trial]:
        """Return the trials of a rung, and note how long they took."""
        before_s = self.lab.clock.elapsed_s
        found = self.lab.tried(rung, self.make, self.lab.making_s)
        self.took_s.append(self.lab.clock.elapsed_s - before_s)
        return found


def search(lab: Lab, make: Make, progress: Progress) -> None:
    """Try further widths until the budget is spent; where nothing can be trained, as they are after their repair."""
    methods = lab.question.methods
    is_trained = "distil" in methods and not why_no_training(lab)
    base = Rung(is_folded=folds(lab), epochs=EPOCHS if is_trained else 0)
    hunt = _Hunt(lab=lab, make=make, names=_buckets(_groups(base, lab)), base=base)
    whole_s = max(lab.clock.left_s, 1e-9)

    def told(text: str, _: float) -> None:
        progress(text, 1 - lab.clock.left_s / whole_s)

    for rung in _between(hunt):
        told(rung.text, 0.0)
        hunt.trained(rung)
    best = likely(lab.trials.values(), hunt.limit)
    if best and best[0].rung.blocks:
        shallow = replace(base, blocks=best[0].rung.blocks)
        hunt = replace(hunt, base=shallow, names=_buckets(_groups(shallow, lab)))
    if hunt.names:
        _hunted(hunt, told)


def _groups(base: Rung, lab: Lab) -> list[str]:
    """Return the groups of channels that can be cut once the base has been made."""
    return list(widths(untrained(replace(base, epochs=0), lab)[-1].content))


def _buckets(groups: list[str]) -> dict[str, tuple[str, ...]]:
    """Return names of at most eight runs of neighbouring groups."""
    size = max(1, math.ceil(len(groups) / _MOST_NAMES))
    runs = [tuple(groups[start : start + size]) for start in range(0, len(groups), size)]
    return {run[0]: run for run in runs}


def _between(hunt: _Hunt) -> Iterator[Rung]:
    """Yield what lies next to the best rungs of the ladder.

    Uniform cuts between its own, the best cut of what a block less has kept, and longer training of what nearly did.
    """
    kept = [trial.rung for trial in _floats(hunt.lab) if trial.score.drop <= hunt.limit]
    best = max((rung.cut for rung in kept if not rung.blocks), default=0.0)
    blocks = max((rung.blocks for rung in kept if not rung.is_cut), default=0.0)
    for cut in (best, best - _LESS):
        if hunt.is_time and blocks and cut > 0:
            yield replace(hunt.base, cut=cut, blocks=blocks)
    for cut in _BETWEEN:
        if hunt.is_time and best < cut <= best + 0.25:
            yield replace(hunt.base, cut=cut)
    nearly = sorted(
        (trial for trial in _floats(hunt.lab) if trial.rung.epochs == EPOCHS and _may_gain(hunt, trial)), key=cost_of
    )
    for trial in nearly[:2]:
        if hunt.lab.clock.left_s > _LONGER * min(hunt.took_s, default=0.0):
            yield replace(trial.rung, epochs=_LONGER * EPOCHS)


def _may_gain(hunt: _Hunt, trial: Trial) -> bool:
    """Tell candidates that lost more than the limit, but not by far, and that cost less than the best so far."""
    best = likely(hunt.lab.trials.values(), hunt.limit)
    is_cheap = not best or cost_of(trial) < cost_of(best[0])
    return is_cheap and hunt.limit < trial.score.drop <= 3 * max(hunt.limit, 0.01)


def _floats(lab: Lab) -> list[Trial]:
    """Return the trials in float of which channels or blocks were taken."""
    return [t for t in lab.trials.values() if t.packing == FLOAT and (t.rung.is_cut or t.rung.blocks)]


def _alike(hunt: _Hunt) -> list[Trial]:
    """Return the trials in float that differ from the base of the search in their widths alone."""
    return [t for t in _floats(hunt.lab) if t.rung.is_cut and t.rung.blocks == hunt.base.blocks]


def _hunted(hunt: _Hunt, progress: Progress) -> None:
    """Propose widths, look at them cheaply, train those that may win."""
    sampler = make_sampler(list(hunt.names), seed=hunt.lab.question.scenario.seed)
    for trial in _alike(hunt):
        sampler.learn(_shares(hunt, trial), _value(hunt, trial))
    idle = 0
    while hunt.is_time and idle < 50:
        shares = sampler.propose()
        rung = hunt.rung(shares)
        candidate = _cut(hunt, rung)
        idle += 1
        if candidate is None:
            sampler.learn(shares, _hopeless(hunt))
            continue
        idle = 0
        progress(f"widths {', '.join(f'{100 * share:.0f} %' for share in shares.values())}", 0.0)
        sampler.learn(shares, _tried(hunt, rung))


def _cut(hunt: _Hunt, rung: Rung) -> Candidate | None:
    """Return a proposal cut but untrained; None where it is known, cannot be cut, or cannot beat the best."""
    if not rung.is_cut:
        return None
    try:
        candidate = untrained(rung, hunt.lab)[-1]
    except TwentyWattsError:
        return None
    if candidate.digest in hunt.seen:
        return None
    hunt.seen.add(candidate.digest)
    return candidate if _may_win(hunt, candidate) else None


def _may_win(hunt: _Hunt, candidate: Candidate) -> bool:
    """Tell whether the model of this device gives a proposal a chance against the cheapest that kept the metric."""
    model = _device_model(hunt)
    best = likely(hunt.lab.trials.values(), hunt.limit)
    if model is None or not best:
        return True
    return model.may_beat(hunt.work(candidate), cost_of(best[0]))


def _device_model(hunt: _Hunt) -> DeviceModel | None:
    """Return the model of this device, None where too few were timed; times are told in that of the model as given.

    Each was timed in turns with the model as given, so that a machine that was busy in between troubles no ratio.
    """
    timed = [trial for trial in hunt.lab.trials.values() if trial.packing == FLOAT and trial.saving]
    try:
        return fitted([hunt.work(trial.floating) for trial in timed], [cost_of(trial) for trial in timed])
    except RefusedError:
        return None


def _tried(hunt: _Hunt, rung: Rung) -> float:
    """Return how a proposal fared: after a short training where that shows no hope, else after a full one."""
    if not rung.epochs:
        return min((_value(hunt, trial) for trial in hunt.trained(rung)), default=_hopeless(hunt))
    brief = replace(rung, epochs=max(1, EPOCHS // _SHORT))
    short = hunt.lab.tried(brief, hunt.make, hunt.lab.making_s, is_brief=True)
    if not short:
        return _hopeless(hunt)
    if min(trial.score.drop for trial in short) > _SLACK * max(hunt.limit, 0.01):
        return min(_value(hunt, trial) for trial in short)
    full = hunt.trained(rung) if hunt.is_time else []
    return min(_value(hunt, trial) for trial in (*short, *full))


def _value(hunt: _Hunt, trial: Trial) -> float:
    """Return the cost in powers of e, with a penalty for what is lost beyond half of the limit."""
    excess = max(0.0, trial.score.drop - hunt.limit / 2) / max(hunt.limit, 0.005)
    return math.log(cost_of(trial)) + _PENALTY * excess


def _hopeless(hunt: _Hunt) -> float:
    return 1.0 + max((_value(hunt, trial) for trial in _alike(hunt)), default=0.0)


def _shares(hunt: _Hunt, trial: Trial) -> dict[str, float]:
    """Return a trial's shares by bucket."""
    if not trial.rung.cuts:
        return dict.fromkeys(hunt.names, trial.rung.cut)
    return {name: trial.rung.cuts.get(groups[0], 0.0) for name, groups in hunt.names.items()}
