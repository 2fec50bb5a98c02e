"""Proposing widths: Optuna where it is installed, else steps around the best that is known. Both are seeded."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Protocol

__all__ = ["GRAIN", "LARGEST", "Sampler", "make_sampler"]

GRAIN = 0.125  # of a share: widths are rounded to eight anyway
LARGEST = 0.875
_STARTUP = 6  # random proposals before a model of what was seen is trusted
_SPREAD = 0.4  # chance that the simple sampler moves a share

Cuts = Mapping[str, float]


class Sampler(Protocol):
    """Proposes shares to cut, by name, and learns how they fared (less is better)."""

    def propose(self) -> dict[str, float]:
        """Return shares for all names."""
        ...

    def learn(self, cuts: Cuts, value: float) -> None:
        """Take note of how a proposal, or anything else, fared."""
        ...


def make_sampler(names: Sequence[str], *, seed: int) -> Sampler:
    """Return a sampler over shares of the names from 0 to 0.875 in steps of an eighth."""
    return _Model(names, seed) if find_spec("optuna") else _Steps(names=tuple(names), draw=random.Random(seed))


class _Model:
    """Optuna's tree-structured Parzen estimator, fed with everything that was tried."""

    def __init__(self, names: Sequence[str], seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space: dict[str, Any] = {
            name: optuna.distributions.FloatDistribution(0.0, LARGEST, step=GRAIN) for name in names
        }
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=_STARTUP)
        self._study: Any = optuna.create_study(sampler=sampler)

    def propose(self) -> dict[str, float]:
        """Return shares for all names."""
        trial = self._study.ask(fixed_distributions=self._space)
        self._study.tell(trial, state=_failed())  # what it came to is learned apart
        return {name: float(value) for name, value in trial.params.items()}

    def learn(self, cuts: Cuts, value: float) -> None:
        """Take note of how a proposal, or anything else, fared."""
        import optuna

        params = {name: _on_grid(cuts.get(name, 0.0)) for name in self._space}
        self._study.add_trial(optuna.trial.create_trial(params=params, distributions=self._space, value=value))


def _failed() -> Any:
    from optuna.trial import TrialState

    return TrialState.FAIL


def _on_grid(share: float) -> float:
    return min(LARGEST, max(0.0, round(share / GRAIN) * GRAIN))


@dataclass(slots=True, kw_only=True)
class _Steps:
    """Steps of an eighth around the best that is known."""

    names: tuple[str, ...]
    draw: random.Random
    best: tuple[float, dict[str, float]] | None = field(default=None)

    def propose(self) -> dict[str, float]:
        """Return shares for all names."""
        known = self.best[1] if self.best else dict.fromkeys(self.names, 0.5)
        moves = {
            name: self.draw.choice((-GRAIN, GRAIN)) if self.draw.random() < _SPREAD else 0.0 for name in self.names
        }
        if not any(moves.values()):
            moves[self.draw.choice(self.names)] = GRAIN
        return {name: _on_grid(known.get(name, 0.0) + moves[name]) for name in self.names}

    def learn(self, cuts: Cuts, value: float) -> None:
        """Take note of how a proposal, or anything else, fared."""
        if self.best is None or value < self.best[0]:
            self.best = (value, {name: _on_grid(cuts.get(name, 0.0)) for name in self.names})
