"""Joules of a training run: operations over what the chips reach, times power, host, failures and data centre."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict, Unpack

from twentywatts.errors import RefusedError, counted
from twentywatts.figures import Figure
from twentywatts.machines import Machine, load, short_names
from twentywatts.plan.inputs import bundled, given, number, point
from twentywatts.plan.operations import attention_operations, training_operations
from twentywatts.plan.published_runs import nearest_runs
from twentywatts.plan.result import Amount, Input, Plan, Row, Table, cited
from twentywatts.plan.simulation import Simulation, simulate
from twentywatts.plan.utilisation import LARGEST_MFU_FRAC, is_beyond_the_fit, mfu_input
from twentywatts.plan.words import amount_text, count_text
from twentywatts.uncertain import interval_of

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["TrainingOptions", "chip_inputs", "run_model", "training"]

_DRAWS = 4000


class TrainingOptions(TypedDict, total=False):
    """What may be known of a run beyond its size and chip.

    active_params: parameters that one token uses (mixture of experts). mfu: share of the peak that is reached.
    pue: facility over computer energy. chips: how many work together. context: tokens that attention spans.
    epochs: passes over ``tokens``. seed: of the draws.
    """

    active_params: float | None
    mfu: float | None
    pue: float | None
    chips: float | None
    context: float | None
    epochs: float
    seed: int


def training(params: float, tokens: float, on: str | Machine, **options: Unpack[TrainingOptions]) -> Plan:
    """Return what it takes to train a model of ``params`` parameters on ``tokens`` tokens on chips of one kind.

    Energy [J] = 6 N D / (peak × MFU) × (chip power + host power) × PUE. Without ``mfu`` the median of published runs on
    such a chip is used, with the spread of runs that the fit had not seen. Raises InputError and RefusedError.
    Limits: one kind of chip, 16-bit peaks; experiments before the final run are told apart.
    """
    machine = load(on) if isinstance(on, str) else on
    params, tokens = number("params", params, low=1.0), number("tokens", tokens, low=1.0)
    epochs = number("epochs", options.get("epochs", 1.0), low=1e-3, high=1e4)
    active = number("active_params", options.get("active_params") or params, low=1.0, high=params)
    inputs = [
        given("active_params_count", "parameters that one token uses", active),
        given("tokens_count", "tokens processed", tokens * epochs),
        *chip_inputs(machine),
        *_utilisation(machine, tokens * epochs / active, options.get("mfu")),
        _pue(options.get("pue")),
        bundled("training")["development_frac"],
    ]
    context = options.get("context")
    if context is not None:
        inputs.append(given("context_count", "tokens that attention spans", number("context", context, high=1e9)))
    seed, peak = options.get("seed", 0), machine.figures["peak_fp16_flop_per_s"].value
    found = simulate(run_model, inputs, target="energy_j", draws=_DRAWS, seed=seed)
    chips = options.get("chips")
    amounts = _amounts(found, None if chips is None else number("chips", chips, high=1e9))
    return Plan(
        kind="training",
        title=f"Training {_model_name(params, active)} on {count_text(tokens)} tokens with {machine.title}",
        sentences=_sentences(found, amounts, machine),
        inputs=tuple(inputs),
        amounts=amounts,
        tables=(_causes(found), nearest_runs(peak, tokens * epochs / active, is_mixture=active < params)),
        drivers=found.drivers,
        driven="energy_j",
        notes=(*short_names([on]), *_notes(inputs, epochs)),
        not_covered=(
            "outside the account: experiments before the final run (shown apart), data storage and preparation, "
            "making the chips and the building, and every later use of the model",
        ),
        draws=_DRAWS,
        seed=seed,
        own_sources=machine.sources,
    )


def chip_inputs(machine: Machine) -> list[Input]:
    """Return peak, power limit and host power of a chip; raises RefusedError where it publishes too little."""
    labels = {
        "peak_fp16_flop_per_s": "16-bit peak of the chip, dense",
        "max_power_w": "power limit of the chip",
        "host_power_w": "a chip's share of its server",
    }
    missing = [key for key in ("peak_fp16_flop_per_s", "max_power_w") if key not in machine.figures]
    if missing:
        raise RefusedError(f"{machine.name} publishes no {' and no '.join(missing)}: training cannot be priced on it")
    inputs = [_own(machine, machine.figures[key], label) for key, label in labels.items() if key in machine.figures]
    figures = bundled("training")
    rest = [] if "host_power_w" in machine.figures else [figures["server_overhead_frac"]]
    return [*inputs, figures["average_power_frac"], *rest]


def _own(machine: Machine, figure: Figure, label: str) -> Input:
    """Return a machine's figure as an input; its draws are those of the machine's other prices."""
    return replace(cited(figure, label), shared=figure.shared or f"{machine.name}.{figure.key}")


def _utilisation(machine: Machine, tokens_per_parameter: float, mfu: float | None) -> list[Input]:
    if mfu is None:
        return [mfu_input(machine.figures["peak_fp16_flop_per_s"].value, tokens_per_parameter)]
    value = number("mfu", mfu, high=1.0)
    return [
        given("mfu_frac", "share of the chip's peak that the run reaches (MFU)", value),
        bundled("training")["useful_time_frac"],
    ]


def _pue(pue: float | None) -> Input:
    if pue is None:
        return bundled("training")["pue"]
    return given("pue", "power usage effectiveness of the data centre", number("pue", pue, low=1.0, high=10.0))


def run_model(values: Mapping[str, Array]) -> dict[str, Array]:
    """Return operations, chip time [s] and joules of a run; every value is an array of one shape."""
    params, tokens = values["active_params_count"], values["tokens_count"]
    operations = training_operations(params, tokens)
    if "context_count" in values:
        operations = operations + attention_operations(params, tokens, values["context_count"])
    useful = values.get("useful_time_frac", 1.0)
    chip_time_s = operations / (values["peak_fp16_flop_per_s"] * values["mfu_frac"]) / useful
    chip_power_w = values["max_power_w"] * values["average_power_frac"]
    host_power_w = values.get("host_power_w")
    if host_power_w is None:
        host_power_w = values["max_power_w"] * values["server_overhead_frac"]
    chips_j, host_j = chip_time_s * chip_power_w, chip_time_s * host_power_w
    facility_j = (chips_j + host_j) * (values["pue"] - 1.0)
    energy_j = chips_j + host_j + facility_j
    return {
        "operations_count": operations,
        "chip_time_s": chip_time_s,
        "chips_energy_j": chips_j,
        "host_energy_j": host_j,
        "facility_energy_j": facility_j,
        "energy_j": energy_j,
        "chip_share_power_w": energy_j / chip_time_s,
        "development_energy_j": energy_j * values.get("development_frac", 0.0),
    }


def _amounts(found: Simulation, chips: float | None) -> tuple[Amount, ...]:
    def amount(key: str, label: str, note: str = "") -> Amount:
        return Amount(key=key, label=label, interval=found.interval(key), note=note)

    amounts = [
        amount("energy_j", "electricity of the final run"),
        amount("chip_time_s", "chip time (chips × hours)"),
        amount("operations_count", "floating-point operations"),
        amount("chip_share_power_w", "power per chip, with host and data centre"),
        amount("development_energy_j", "experiments and failed runs around it", "not in the total"),
    ]
    if chips is not None:
        amounts += [
            Amount(key="chip_count", label="chips that work together", interval=point(chips)),
            Amount(key="time_s", label="from start to end", interval=interval_of(found.outputs["chip_time_s"] / chips)),
            Amount(
                key="power_w", label="average power", interval=interval_of(found.outputs["chip_share_power_w"] * chips)
            ),
        ]
    return tuple(amounts)


def _causes(found: Simulation) -> Table:
    names = {"chips_energy_j": "chips", "host_energy_j": "host", "facility_energy_j": "data centre"}
    total = found.outputs["energy_j"][0]
    rows = [
        Row(
            name=name,
            numbers={"energy_j": found.interval(key), "share_frac": point(float(found.outputs[key][0] / total))},
        )
        for key, name in names.items()
    ]
    labels = {"energy_j": "electricity", "share_frac": "share"}
    return Table(name="causes", title="Where the joules go", labels=labels, rows=tuple(rows))


def _model_name(params: float, active: float) -> str:
    part = f" ({count_text(active)} active)" if active < params else ""
    return f"{count_text(params)} parameters{part}"


def _sentences(found: Simulation, amounts: Sequence[Amount], machine: Machine) -> tuple[str, ...]:
    by_key = {amount.key: amount for amount in amounts}
    answer = f"The final run takes {amount_text(by_key['energy_j'])} of electricity and "
    answer += f"{amount_text(by_key['chip_time_s'])} of {machine.name}."
    sentences = [answer]
    if "time_s" in by_key:
        chips = counted(by_key["chip_count"].interval.mid, "chip")
        power = amount_text(by_key["power_w"])
        sentences.append(f"On {chips} that is {amount_text(by_key['time_s'])} at {power}.")
    sentences.append(f"Experiments around it usually cost {amount_text(by_key['development_energy_j'])} more.")
    return tuple(sentences)


def _notes(inputs: Sequence[Input], epochs: float) -> tuple[str, ...]:
    mfu = next(item for item in inputs if item.key == "mfu_frac")
    notes = []
    peak = next(item for item in inputs if item.key == "peak_fp16_flop_per_s").interval.mid
    if mfu.origin == "fitted" and is_beyond_the_fit(peak):
        notes.append("no published run on so fast a chip was fitted: its MFU is carried on from slower ones")
    if mfu.origin == "fitted":
        notes.append("the MFU is that of published runs: failures and idle hours are in it, so none are added")
    elif mfu.interval.mid > LARGEST_MFU_FRAC:
        notes.append(f"an MFU of {mfu.interval.mid:.0%} is above any published training run")
    if epochs > 1:
        notes.append(
            "operations grow with every pass; beyond about four passes the loss gains little (Muennighoff 2023)"
        )
    return tuple(notes)
