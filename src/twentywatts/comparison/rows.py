"""Rows of the table: the reference, a candidate, the yardstick, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twentywatts.comparison.counts import counts_of
from twentywatts.comparison.result import Role, Row
from twentywatts.comparison.search import Bench, Outcome
from twentywatts.comparison.twins import twin_of
from twentywatts.forms import Setting
from twentywatts.ledger import Ledger
from twentywatts.machines import Machine
from twentywatts.price import price
from twentywatts.price.always_on import standby
from twentywatts.scenario import Scenario
from twentywatts.workload import BrainWorkload

__all__ = ["candidate_row", "order", "reference_row", "yardstick_row"]


def reference_row(bench: Bench, machine: Machine) -> Row:
    """Return the float form on ``machine``: what every ratio and every drop is against."""
    ledger = price(bench.reported.workload, machine, bench.scenario)
    return _row(bench, machine, ledger, outcome=bench.reported, setting=bench.reference.setting, against=None)


def candidate_row(bench: Bench, machine: Machine, reference: Row) -> Row:
    """Return the row of a machine at the form and setting that are chosen for it; raises RefusedError."""
    choice = bench.choose(machine)
    ledger = price(choice.outcome.workload, machine, bench.scenario)
    setting = {"form": choice.form.name, **choice.form.setting}
    row = _row(bench, machine, ledger, outcome=choice.outcome, setting=setting, against=reference)
    return replace(row, twin=twin_of(bench, machine, choice, ledger))


def _row(
    bench: Bench, machine: Machine, ledger: Ledger, *, outcome: Outcome, setting: Setting, against: Row | None
) -> Row:
    """Return one row; without ``against`` it is the reference itself."""
    metric, targets = bench.goal.metric, bench.parts.reported.targets
    score = bench.score(outcome)
    verdict = bench.verdict(outcome, tuning=False) if against else None
    setting = dict(setting)
    return Row(
        role=Role.CANDIDATE if against else Role.REFERENCE,
        machine=machine.name,
        title=machine.title,
        family=machine.family,
        form=str(setting.pop("form", "float")),
        setting=setting,
        accuracy=score,
        accuracy_interval=metric.interval(outcome.outputs, targets),
        accuracy_drop=bench.drop(outcome) if against else 0.0,
        drop_bound=verdict.bound if verdict else 0.0,
        keeps_accuracy=verdict.keeps if verdict else True,
        verdict=verdict.sentence if verdict else "the reference",
        ledger=ledger,
        counts=counts_of(outcome.workload),
        ratio=ledger.ratio(against.ledger if against else ledger).interval,
        standing=machine.standing,
        notes=(*_shares(machine), *outcome.notes, *ledger.notes),
        standby=standby(outcome.workload, machine, bench.scenario) if bench.scenario.rate_per_s else None,
    )


def _shares(machine: Machine) -> tuple[str, ...]:
    """Return what a reader must know of a detected processor: it is charged for its own cores, not for a socket."""
    return (
        (f"charged for what was detected, not for a whole server: {machine.summary}",)
        if machine.origin == "detected"
        else ()
    )


def yardstick_row(machine: Machine, reference: Row, scenario: Scenario) -> Row:
    """Return the brain for as long as the reference takes per inference: no form, no accuracy, never ranked."""
    workload = BrainWorkload(time_s=reference.ledger.latency_s.mid / scenario.batch)
    ledger = price(workload, machine, scenario)
    return Row(
        role=Role.YARDSTICK,
        machine=machine.name,
        title=machine.title,
        family=machine.family,
        form="",
        setting={},
        accuracy=None,
        accuracy_interval=None,
        accuracy_drop=None,
        drop_bound=None,
        keeps_accuracy=None,
        verdict="a yardstick, not a competitor: no task is held equal",
        ledger=ledger,
        counts={},
        ratio=ledger.ratio(reference.ledger).interval,
        notes=ledger.notes,
    )


def order(rows: Sequence[Row]) -> list[Row]:
    """Return rows that keep the accuracy by energy, then those that cannot tell, then those that do not keep it."""
    rank = {True: 0, None: 1, False: 2}
    return sorted(rows, key=lambda row: (rank[row.keeps_accuracy], row.ledger.energy_j.mid, row.machine))
