"""The search: for one machine, the cheapest form and setting that keeps the accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.comparison.bound import Verdict
from twentywatts.comparison.metrics import Metric
from twentywatts.comparison.split import Parts
from twentywatts.counting import Counts, processor_workload
from twentywatts.errors import DataError, InputError, RefusedError
from twentywatts.forms import Form, FormResult, Setting, build, build_all, settings_of
from twentywatts.forms.protocol import forms_of
from twentywatts.machines import Machine, ProcessorTraits, Traits, traits_of
from twentywatts.network import Network
from twentywatts.price import price
from twentywatts.readers.samples import Samples
from twentywatts.scenario import Scenario
from twentywatts.workload import ProcessorWorkload, Workload

if TYPE_CHECKING:
    from twentywatts.comparison.training import Trained

__all__ = ["Bench", "Choice", "Goal", "Outcome", "Progress", "make_bench"]

Progress = Callable[[str, float], None]

Outputs = NDArray[Any]

_FINE_TUNED_MARK = ", fine-tuned"
_FINE_TUNED = f"spiking{_FINE_TUNED_MARK}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """One run of a form: outputs, noise draws (or None) and its work."""

    outputs: Outputs
    draws: Outputs | None
    workload: Workload
    notes: tuple[str, ...]

    @property
    def variants(self) -> Sequence[Outputs]:
        """Outputs of every noise draw, or the one there is."""
        return [self.outputs] if self.draws is None else list(self.draws)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """What was chosen for a machine, and its run on the reported samples.

    tuned, tuning: its run on the tuning samples, and whether it keeps the metric there.
    """

    form: Form
    outcome: Outcome
    tuned: Outcome
    tuning: Verdict
    tried: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Goal:
    """What must be kept: a metric, within the largest drop that counts as kept."""

    metric: Metric
    max_drop: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """One model on its samples: builds forms once per traits, runs them, remembers what it saw.

    reference: the float form; tuned, reported: what it gave on the tuning and on the reported samples. trained: the
    model fine-tuned for few timesteps, beside the model as it was given, where there were data to train on.
    """

    network: Network
    counts: Counts
    parts: Parts
    goal: Goal
    scenario: Scenario
    reference: Form
    tuned: Outcome
    reported: Outcome
    trained: Trained | None = None
    _forms: dict[tuple[str, Traits], list[Form] | RefusedError] = field(default_factory=dict)
    _seen: dict[int, tuple[Form, Outcome, Verdict]] = field(default_factory=dict)

    def choose(self, machine: Machine) -> Choice:
        """Return the cheapest setting that keeps the accuracy on the tuning samples, run on the reported ones.

        Where none is shown to keep it, the one with the smallest bound. Raises RefusedError where no form fits.
        """
        traits = traits_of(machine)
        assert traits is not None
        candidates, refusals = self._candidates(machine, traits)
        if not candidates:
            raise RefusedError("; ".join(dict.fromkeys(refusals)))
        kept = [entry for entry in candidates if entry[1].keeps]
        if kept:
            form = min(kept, key=lambda entry: entry[2])[0]
        else:
            form = min(candidates, key=lambda entry: (round(entry[1].bound, 4), entry[2]))[0]
        _, tuned, verdict = self._tune(form)
        reported = self.run(form, tuning=False)
        return Choice(form=form, outcome=reported, tuned=tuned, tuning=verdict, tried=len(candidates))

    def run(self, form: Form, *, tuning: bool) -> Outcome:
        """Run a form on the tuning or the reported samples; processor forms get their work from counting."""
        samples = self.parts.tuning if tuning else self.parts.reported
        result: FormResult = form.run(samples.inputs, batch=self.scenario.batch)
        workload = result.workload
        if workload is None:
            workload = _counted(form, self.counts, self.scenario.batch)
        if any(np.isnan(values).any() for values in (result.outputs, result.draws) if values is not None):
            raise RefusedError(f"form {form.name} gives outputs that are not numbers (NaN)")
        return Outcome(outputs=result.outputs, draws=result.draws, workload=workload, notes=result.notes)

    def verdict(self, outcome: Outcome, *, tuning: bool, rows: NDArray[np.intp] | None = None) -> Verdict:
        """Return whether an outcome keeps the metric; of several noise draws the one that fares worst decides.

        A chip that one gets may be any of the draws. rows: the samples that are asked, all of them if None.
        """
        some = slice(None) if rows is None else rows
        reference = (self.tuned if tuning else self.reported).outputs[some]
        targets = (self.parts.tuning if tuning else self.parts.reported).targets[some]
        metric, max_drop = self.goal.metric, self.goal.max_drop
        verdicts = [metric.verdict(reference, outputs[some], targets, max_drop) for outputs in outcome.variants]
        return max(verdicts, key=lambda verdict: verdict.bound)

    def score(self, outcome: Outcome, *, tuning: bool = False) -> float:
        """Return the metric on the reported (or the tuning) samples, averaged over noise draws.

        Raises RefusedError where a user's own metric has no number for these outputs.
        """
        targets = (self.parts.tuning if tuning else self.parts.reported).targets
        try:
            value = float(np.mean([self.goal.metric.score(outputs, targets) for outputs in outcome.variants]))
        except InputError as error:
            raise RefusedError(str(error)) from error
        if not math.isfinite(value):
            raise RefusedError(f"the {self.goal.metric.name} of its outputs is {value}")
        return value

    def drop(self, outcome: Outcome, *, tuning: bool = False) -> float:
        """Return what is lost of the metric against the reference, averaged over noise draws (``Metric.drop``)."""
        reference = (self.tuned if tuning else self.reported).outputs
        targets = (self.parts.tuning if tuning else self.parts.reported).targets
        return self.goal.metric.drop(reference, outcome.variants, targets)

    def _candidates(self, machine: Machine, traits: Traits) -> tuple[list[tuple[Form, Verdict, float]], list[str]]:
        """Return (form, verdict, joules at mid values) of the settings that were tried, and refusals.

        Settings come cheapest first, so the first of a form that keeps the accuracy ends the search of that form.
        """
        quick = replace(self.scenario, draws=0)
        found, refusals = [], []
        for name in self._names(machine):
            built = self._built(name, traits)
            if isinstance(built, RefusedError):
                refusals.append(str(built))
                continue
            for form in built:
                try:
                    _, outcome, verdict = self._tune(form)
                    found.append((form, verdict, price(outcome.workload, machine, quick).energy_j.mid))
                except RefusedError as error:
                    refusals.append(str(error))
                    continue
                if verdict.keeps:
                    break
        return found, refusals

    def _names(self, machine: Machine) -> Sequence[str]:
        """Return the forms that a machine executes; the fine-tuned spiking one beside the plain one."""
        names = forms_of(machine.family)
        return (*names, _FINE_TUNED) if self.trained is not None and "spiking" in names else names

    def _built(self, name: str, traits: Traits) -> list[Form] | RefusedError:
        key = (name, traits)
        if key not in self._forms:
            try:
                self._forms[key] = self._build(name, traits)
            except RefusedError as error:
                self._forms[key] = error
        return self._forms[key]

    def _build(self, name: str, traits: Traits) -> list[Form]:
        settings: Sequence[Setting] = settings_of(name.removesuffix(_FINE_TUNED_MARK), traits)
        if name == _FINE_TUNED:
            from twentywatts.forms.spiking import forms_from

            assert self.trained is not None
            settings_trained: list[Setting] = [{**one, "training": "QCFS"} for one in settings]
            forms: Any = forms_from(self.trained.prepared, traits, settings=settings_trained)
            return list(forms)
        if name == "spiking" and self.trained is not None:
            settings = [{**one, "training": "none"} for one in settings]
        calibration = self.parts.tuning.inputs
        return build_all(
            name, self.network, traits, calibration=calibration, settings=settings, seed=self.scenario.seed
        )

    def _tune(self, form: Form) -> tuple[Form, Outcome, Verdict]:
        if id(form) not in self._seen:
            outcome = self.run(form, tuning=True)
            unseen = self.trained.held if self.trained and form.setting.get("training") == "QCFS" else None
            self._seen[id(form)] = (form, outcome, self.verdict(outcome, tuning=True, rows=unseen))
        return self._seen[id(form)]


def _counted(form: Form, counts: Counts, batch: int) -> ProcessorWorkload:
    """Return the work of a processor form: counting gives it, whatever the data."""
    return processor_workload(counts, precision=str(form.setting["precision"]), batch=batch)


def _check_score(metric: Metric, outputs: Outputs, samples: Samples) -> None:
    """Raise DataError where the model's own outputs can be no reference for this metric."""
    wrong = int(np.isnan(outputs).reshape(len(outputs), -1).any(axis=1).sum())
    if wrong:
        raise DataError(
            f"the model gives outputs that are not numbers (NaN) for {wrong} of {len(outputs)} samples of "
            f"'{samples.name}': check its weights and how 'x' is scaled"
        )
    score = metric.score(outputs, samples.targets)
    if not math.isfinite(score):
        raise DataError(
            f"the {metric.name} of the model on '{samples.name}' is {score}: nothing can be held against it"
        )


def make_bench(network: Network, counts: Counts, parts: Parts, *, goal: Goal, scenario: Scenario) -> Bench:
    """Return the bench of one model: the float form is built and run on all samples.

    Raises DataError where targets and outputs do not fit, before anything else is built.
    """
    traits = ProcessorTraits(precisions=("fp32",))
    form = build("float", network, traits, calibration=parts.tuning.inputs, setting={"precision": "fp32"})
    outcomes = []
    for samples in (parts.tuning, parts.reported):
        outputs = form.run(samples.inputs).outputs
        _check_score(goal.metric, outputs, samples)
        workload = _counted(form, counts, scenario.batch)
        outcomes.append(Outcome(outputs=outputs, draws=None, workload=workload, notes=()))
    tuned, reported = outcomes
    return Bench(
        network=network,
        counts=counts,
        parts=parts,
        goal=goal,
        scenario=scenario,
        reference=form,
        tuned=tuned,
        reported=reported,
    )
