"""Scaling laws in joules: the best loss that a budget buys, the data it needs, and what one more point costs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, TypedDict, Unpack

from twentywatts.errors import InputError
from twentywatts.machines import Machine, load, short_names
from twentywatts.plan.inputs import bundled, given, number, point
from twentywatts.plan.laws import Law, inference_aware, law, laws, loss, optimum, standard_error
from twentywatts.plan.result import Amount, Input, Plan, Row, Table
from twentywatts.plan.simulation import Simulation, simulate
from twentywatts.plan.train import chip_inputs, run_model
from twentywatts.plan.utilisation import mfu_input
from twentywatts.plan.words import count_text, quantity_text
from twentywatts.uncertain import Z95, Interval, interval_of

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["ScalingOptions", "scaling"]

_DRAWS = 4000
_POINT_FRAC = 0.01  # "one point": one percent less loss
_BUDGETS = (0.01, 0.1, 1.0, 10.0, 100.0)


class ScalingOptions(TypedDict, total=False):
    """law: name of a published law. served_tokens: tokens that the model will generate (inference-aware optimum).

    mfu, pue: as for a training run. seed: of the draws.
    """

    law: str
    served_tokens: float | None
    mfu: float | None
    pue: float | None
    seed: int


def scaling(budget_j: float, on: str | Machine, **options: Unpack[ScalingOptions]) -> Plan:
    """Return the best model that ``budget_j`` joules of electricity buy on chips of one kind.

    A scaling law tells loss [nats per token] from parameters and tokens; the operations follow from the joules of a run
    (``training``). Raises InputError and RefusedError. Limits: the loss holds for the law's own data and tokens; a
    budget far above 10^22 operations extrapolates.
    """
    machine = load(on) if isinstance(on, str) else on
    budget_j = number("the budget", budget_j, low=1.0, high=1e27)
    chosen = law(options.get("law", "besiroglu2024"))
    inputs = _inputs(machine, budget_j, options)
    seed = options.get("seed", 0)
    served = options.get("served_tokens")
    served = None if served is None else number("served_tokens", served)
    found = simulate(partial(_model, chosen=chosen), inputs, target="loss_nats", draws=_DRAWS, seed=seed)
    return Plan(
        kind="scaling",
        title=f"What {quantity_text('energy_j', point(budget_j))} of training buys on {machine.title}",
        sentences=_sentences(found, chosen, budget_j),
        inputs=tuple(inputs),
        amounts=_amounts(found, chosen),
        tables=(_law_table(found), _budget_table(found, chosen, budget_j), *_served_table(found, chosen, served)),
        drivers=found.drivers,
        driven="loss_nats",
        notes=(*short_names([on]), *_notes(found, chosen)),
        not_covered=("quality beyond the loss: data selection, tuning, tools, and what a task needs",),
        draws=_DRAWS,
        seed=seed,
        own_sources=machine.sources,
    )


def _inputs(machine: Machine, budget_j: float, options: ScalingOptions) -> list[Input]:
    chip = chip_inputs(machine)
    mfu, pue = options.get("mfu"), options.get("pue")
    if mfu is None:
        usual = bundled("scaling")["tokens_per_parameter_ratio"].interval.mid  # the MFU hardly depends on it
        share = [mfu_input(machine.figures["peak_fp16_flop_per_s"].value, usual)]
    else:
        known = given("mfu_frac", "share of the chip's peak that the run reaches (MFU)", number("mfu", mfu, high=1.0))
        share = [known, bundled("training")["useful_time_frac"]]
    facility = bundled("training")["pue"]
    if pue is not None:
        facility = given("pue", "power usage effectiveness", number("pue", pue, low=1.0, high=10.0))
    return [given("budget_energy_j", "electricity to spend on the final run", budget_j), *chip, *share, facility]


def _model(values: Mapping[str, Array], *, chosen: Law) -> dict[str, Array]:
    """Return operations, best parameters, tokens and loss of a budget, and the joules of one percent less loss."""
    one = dict(values) | dict.fromkeys(("active_params_count", "tokens_count"), values["pue"] * 0 + 1.0)
    run = run_model(one)
    operations = values["budget_energy_j"] / (run["energy_j"] / run["operations_count"])
    params, tokens = optimum(chosen, operations)
    best = loss(chosen, params, tokens)
    return {
        "operations_count": operations,
        "params_count": params,
        "tokens_count": tokens,
        "loss_nats": best,
        "more_energy_j": values["budget_energy_j"] * (_factor(chosen, best) - 1.0),
    }


def _factor(chosen: Law, best: Array) -> Array:
    """Return how many times the operations must grow for one percent less loss; inf where no budget reaches it.

    At the optimum L - E falls as C^(-alpha beta / (alpha + beta)).
    """
    import numpy as np

    a, b = chosen.params_exponent, chosen.tokens_exponent
    above = np.asarray(best) - chosen.irreducible
    left = above - _POINT_FRAC * np.asarray(best)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factor = np.where(left > 0, (above / np.maximum(left, 1e-300)) ** ((a + b) / (a * b)), np.inf)
    return np.asarray(factor)


def _amounts(found: Simulation, chosen: Law) -> tuple[Amount, ...]:
    mid = {key: float(values[0]) for key, values in found.outputs.items()}
    half = Z95 * standard_error(chosen, mid["params_count"], mid["tokens_count"])
    spread = found.interval("loss_nats")
    low = mid["loss_nats"] - max(half, mid["loss_nats"] - spread.low)
    best = Interval(low=low, mid=mid["loss_nats"], high=mid["loss_nats"] + max(half, spread.high - mid["loss_nats"]))
    amounts = [
        Amount(key="loss_nats", label="best loss, nats per token", interval=best, note="of the law's own data"),
        Amount(key="params_count", label="parameters", interval=found.interval("params_count")),
        Amount(key="tokens_count", label="tokens of data", interval=found.interval("tokens_count")),
        Amount(key="operations_count", label="floating-point operations", interval=found.interval("operations_count")),
    ]
    more = found.outputs["more_energy_j"]
    if float(more.max()) < float("inf"):
        text = "electricity on top for one percent less loss"
        amounts.append(Amount(key="more_energy_j", label=text, interval=interval_of(more)))
    return tuple(amounts)


def _row(name: str, chosen: Law, operations: Array) -> Row:
    params, tokens = optimum(chosen, operations)
    best = loss(chosen, params, tokens)
    numbers = {"loss_nats": best, "params_count": params, "tokens_count": tokens}
    return Row(
        name=name,
        numbers={key: interval_of(values) for key, values in numbers.items()},
        texts={"note": chosen.note},
        sources=(chosen.source,),
    )


def _law_table(found: Simulation) -> Table:
    rows = tuple(_row(item.title, item, found.outputs["operations_count"]) for item in laws().values())
    labels = {"loss_nats": "loss", "params_count": "parameters", "tokens_count": "tokens", "note": "standing"}
    return Table(name="laws", title="The same budget under each published law", labels=labels, rows=rows)


def _budget_table(found: Simulation, chosen: Law, budget_j: float) -> Table:
    rows = [
        _row(quantity_text("energy_j", point(budget_j * share)), chosen, found.outputs["operations_count"] * share)
        for share in _BUDGETS
    ]
    labels = {"loss_nats": "loss", "params_count": "parameters", "tokens_count": "tokens"}
    return Table(name="budgets", title="Less and more", labels=labels, rows=tuple(rows))


def _served_table(found: Simulation, chosen: Law, served: float | None) -> tuple[Table, ...]:
    """Return the optimum where the budget also pays for the tokens that are served."""
    if served is None:
        return ()
    operations = found.outputs["operations_count"]
    params, tokens = inference_aware(chosen, operations, served)
    if float(tokens.min()) <= 1.0:
        raise InputError(
            f"the budget does not even serve {count_text(served)} tokens: give more joules or fewer tokens"
        )
    numbers = {
        "loss_nats": interval_of(loss(chosen, params, tokens)),
        "params_count": interval_of(params),
        "tokens_count": interval_of(tokens),
        "share_frac": interval_of(2.0 * params * served / operations),
    }
    row = Row(name=f"with {count_text(served)} tokens served", numbers=numbers, sources=("sardana2024",))
    labels = {
        "loss_nats": "loss",
        "params_count": "parameters",
        "tokens_count": "training tokens",
        "share_frac": "of it serving",
    }
    return (Table(name="served", title="Where the budget also serves", labels=labels, rows=(row,)),)


def _sentences(found: Simulation, chosen: Law, budget_j: float) -> tuple[str, ...]:
    params, tokens = (quantity_text(key, found.interval(key)) for key in ("params_count", "tokens_count"))
    best = float(found.outputs["loss_nats"][0])
    factor = float(_factor(chosen, found.outputs["loss_nats"][:1])[0])
    more = "no budget lowers the loss by another percent"
    if factor < float("inf"):
        more = f"one percent less loss costs {quantity_text('energy_j', point(budget_j * (factor - 1)))} more"
    return (
        f"The best that this budget buys is a loss of {best:.3g} nats per token, with {params} parameters trained on "
        f"{tokens} tokens, by {chosen.title}.",
        f"From there, {more} ({factor:.2g} times the budget).",
    )


def _notes(found: Simulation, chosen: Law) -> tuple[str, ...]:
    notes = [
        "the intervals of parameters and tokens, and those in the tables, hold what the joules buy, not which law is "
        f"right; that of the best loss holds what the law itself may miss too; {chosen.note}"
    ]
    stock = bundled("scaling")["public_text_tokens_count"]
    if float(found.outputs["tokens_count"][0]) > stock.interval.low:
        text = quantity_text(stock.key, stock.interval)
        notes.append(f"this wants more text than may exist: the public stock is put at {text} tokens ({stock.source})")
    return tuple(notes)
