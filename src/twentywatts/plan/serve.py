"""A service: users and tokens → requests → chips for a waiting time → megawatts, kWh a day, water, carbon, money."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Unpack

from twentywatts.errors import InputError, RefusedError, nearest
from twentywatts.figures import Boundary, Evidence
from twentywatts.ledger import Ledger
from twentywatts.machines import Machine, load, short_names
from twentywatts.plan.carbon import carbon_amounts, grid
from twentywatts.plan.demand import Demand, ServingOptions, TokenCost, demand_of, token_cost
from twentywatts.plan.inputs import bundled, given, number, point
from twentywatts.plan.queueing import wait_above_frac
from twentywatts.plan.result import Amount, Input, Plan, Row, Table, cited
from twentywatts.plan.simulation import Simulation, redrawn, simulate
from twentywatts.plan.words import count_text, quantity_text
from twentywatts.uncertain import Interval, interval_of
from twentywatts.units import DAY_S, YEAR_S

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["CLIMATES", "serving"]

_DRAWS = 4000
CLIMATES = ("cold", "temperate", "hot")


def serving(cost: TokenCost | Ledger, on: str | Machine, **options: Unpack[ServingOptions]) -> Plan:
    """Return the chips, power, energy a day, water, carbon and cost of a service on chips of one kind.

    Little's law gives the requests in progress from their rate and length; Erlang C the places that keep the wait; idle
    places draw the machine's idle power. Raises InputError and RefusedError. Limits: one model, answers of one mean
    length, joules per token of full replicas (emptier ones spend more), no spare for failures.
    """
    machine = load(on) if isinstance(on, str) else on
    if machine.family == "brain":
        raise RefusedError(f"{machine.name} runs on food, not on electricity: it cannot be put into a data centre")
    if isinstance(cost, Ledger):
        cost = token_cost(cost, streams=options.get("streams", 1.0), tokens=options.get("tokens", 1.0))
    demand = demand_of(cost, options)
    inputs = _inputs(cost, machine, demand, options)
    target, seed = "day_energy_j", options.get("seed", 0)
    fixed = {"streams": cost.streams, "chips": float(cost.chips), **_limits(cost, machine)}
    model = partial(_model, fixed=fixed, places=demand.places)
    found = simulate(model, inputs, target=target, draws=_DRAWS, seed=seed, together=_drawn(cost, seed))
    amounts = _amounts(found, demand, cost)
    place = options.get("grid")
    if place is not None:
        more, factors = _footprint(found.interval(target), place)
        amounts += more
        inputs += factors
    return Plan(
        kind="serving",
        title=f"Serving {count_text(demand.requests_per_s * DAY_S)} requests a day on {machine.title}",
        sentences=_sentences(found, demand),
        inputs=tuple(inputs),
        amounts=tuple(amounts),
        tables=(_causes(found, cost), _waits(demand)),
        drivers=found.drivers,
        driven=target,
        notes=(*short_names([on]), *_notes(cost, demand)),
        not_covered=(
            "spare chips for failures, other models, storage, networks, the users' devices, making the chips",
        ),
        draws=_DRAWS,
        seed=seed,
        own_sources=machine.sources,
    )


def _drawn(cost: TokenCost, seed: int) -> dict[str, Array]:
    """Return joules and seconds of a token as they were drawn together, where they were."""
    if cost.draws is None:
        return {}
    both = redrawn(cost.draws, key="plan.token", draws=_DRAWS, seed=seed)
    return dict(zip(("token_energy_j", "token_time_s"), both, strict=True))


def _limits(cost: TokenCost, machine: Machine) -> dict[str, float]:
    """Return the least and the most that a busy chip can draw [W]; empty where its power is measured or not its own."""
    keys = ("idle_power_w", "max_power_w")
    modelled = cost.draws is not None and cost.evidence < Evidence.CHIP_COUNTER
    if not modelled or cost.boundary.rank > Boundary.DEVICE.rank or not set(keys) <= machine.figures.keys():
        return {}
    idle_w, most_w = (machine.figures[key].value for key in keys)
    mid_w = cost.energy_j.mid / cost.stream_s.mid * cost.streams / cost.chips
    return {"least_w": min(idle_w, mid_w), "most_w": max(most_w, mid_w)}


def _inputs(cost: TokenCost, machine: Machine, demand: Demand, options: ServingOptions) -> list[Input]:
    figures = bundled("serving")
    grade = "guess" if cost.evidence is Evidence.GUESSED else "derived"
    grade = "measured" if cost.evidence >= Evidence.CHIP_COUNTER else grade
    inputs = [
        *demand.origin,
        _known("token_energy_j", f"energy of a token ({cost.boundary})", cost.energy_j, how=cost.how, grade=grade),
        _known("token_time_s", "time that a token keeps its place", cost.stream_s, how=cost.how, grade=grade),
    ]
    inputs.append(given("peak_ratio", "peak over mean of the requests", demand.peak))
    if "idle_power_w" in machine.figures:
        inputs.append(cited(machine.figures["idle_power_w"], "idle power of a chip"))
    if cost.boundary.rank < Boundary.SYSTEM.rank:
        host = machine.figures.get("host_power_w")
        inputs.append(cited(host, "a chip's share of its server") if host else figures["server_overhead_frac"])
    return [*inputs, _facility(cost, options), figures["site_water_m3_per_j"], *_prices()]


def _known(key: str, label: str, interval: Interval, *, how: str, grade: str) -> Input:
    """Return what is known of a token, with how it came to be known."""
    return Input(key=key, label=label, interval=interval, grade=grade, where=how)


def _prices() -> list[Input]:
    return [bundled("serving")[key] for key in ("electricity_price_usd_per_j", "chip_price_usd_per_s")]


def _facility(cost: TokenCost, options: ServingOptions) -> Input:
    pue = 1.0 if cost.boundary is Boundary.FACILITY else options.get("pue")
    if pue is not None:
        return given("pue", "power usage effectiveness", number("pue", pue, low=1.0, high=10.0))
    climate = options.get("climate", "temperate")
    if climate not in CLIMATES:
        raise InputError(f"unknown climate '{climate}'{nearest(climate, CLIMATES)}; there are {', '.join(CLIMATES)}")
    return replace(bundled("serving")[f"pue_{climate}"], key="pue")


def _model(values: Mapping[str, Array], *, fixed: Mapping[str, float], places: float) -> dict[str, Array]:
    """Return chips, power and joules a day; places: requests that may be in progress at once."""
    import numpy as np

    concurrent = _concurrent(values)
    chips = np.ceil(places / fixed["streams"]) * fixed["chips"] + values["pue"] * 0
    busy = np.minimum(concurrent / places, 1.0)
    tokens_per_s = concurrent / values["token_time_s"]
    active_w = _held_w(tokens_per_s * values["token_energy_j"], values, concurrent, fixed)
    idle_w, host_w = _around_w(values, chips, active_w, busy)
    computers_w = active_w + idle_w + host_w
    power_w = computers_w * values["pue"]
    rise = np.minimum(values["peak_ratio"], 1 / busy)
    peak_w = (active_w * rise + sum(_around_w(values, chips, active_w * rise, busy * rise))) * values["pue"]
    energy = power_w * DAY_S
    return {
        "chip_count": chips,
        "busy_frac": busy,
        "power_w": power_w,
        "peak_power_w": np.maximum(peak_w, power_w),
        "day_energy_j": energy,
        "tokens_day_count": tokens_per_s * DAY_S,
        "answer_energy_j": energy / (tokens_per_s * DAY_S) * values["tokens_count"],
        "active_energy_j": active_w * DAY_S,
        "idle_energy_j": idle_w * DAY_S,
        "host_energy_j": host_w * DAY_S,
        "facility_energy_j": computers_w * (values["pue"] - 1.0) * DAY_S,
        "site_water_m3": computers_w * DAY_S * values["site_water_m3_per_j"],
        "electricity_usd": energy * values["electricity_price_usd_per_j"],
        "chips_usd": chips * values["chip_price_usd_per_s"] * DAY_S,
    }


def _held_w(active_w: Array, values: Mapping[str, Array], concurrent: Array, fixed: Mapping[str, float]) -> Array:
    """Return the power of busy chips held to what they can draw, where requests in progress are known.

    From a rate of requests it is joules times rate, whatever the time: it is then as uncertain as the joules.
    """
    import numpy as np

    if "concurrent_count" not in values or "most_w" not in fixed:
        return active_w
    busy = concurrent / fixed["streams"] * fixed["chips"]
    return np.clip(active_w, busy * fixed["least_w"], busy * fixed["most_w"])


def _around_w(values: Mapping[str, Array], chips: Array, active_w: Array, busy_frac: Array) -> tuple[Array, Array]:
    """Return the power of idle places and of the servers while a share of the places is busy [W]."""
    idle_w = chips * (1.0 - busy_frac) * values.get("idle_power_w", 0.0)
    if "host_power_w" in values:
        return idle_w, chips * values["host_power_w"]
    # an account at the system's boundary holds the server already
    return idle_w, (active_w + idle_w) * values.get("server_overhead_frac", 0.0)


def _concurrent(values: Mapping[str, Array]) -> Array:
    """Return requests in progress: as given, or by Little's law from their rate and length."""
    if "concurrent_count" in values:
        return values["concurrent_count"]
    length_s = values["tokens_count"] * values["token_time_s"]
    if "request_per_s" in values:
        return values["request_per_s"] * length_s
    return values["user_count"] * values["requests_per_user_count"] / DAY_S * length_s


_LABELS = {
    "day_energy_j": "electricity a day",
    "power_w": "mean power",
    "peak_power_w": "power at the peak",
    "chip_count": "chips",
    "answer_energy_j": "electricity of one answer",
    "tokens_day_count": "tokens a day",
    "busy_frac": "mean use of the places",
    "site_water_m3": "water evaporated at the site a day",
    "electricity_usd": "electricity bill a day",
    "chips_usd": "chips a day, if rented",
}


def _amounts(found: Simulation, demand: Demand, cost: TokenCost) -> list[Amount]:
    amounts = [Amount(key=key, label=label, interval=found.interval(key)) for key, label in _LABELS.items()]
    year = interval_of(found.outputs["day_energy_j"] * YEAR_S / DAY_S)
    amounts.insert(1, Amount(key="year_energy_j", label="electricity a year", interval=year))
    known = (
        ("concurrent_mean_count", "requests in progress, mean (Little's law)", demand.concurrent),
        ("place_count", "places that keep the wait at the peak (Erlang C)", demand.places),
        ("replica_count", "replicas of the model", math.ceil(demand.places / cost.streams)),
    )
    return amounts + [Amount(key=key, label=label, interval=point(float(value))) for key, label, value in known]


def _footprint(energy: Interval, place: str) -> tuple[list[Amount], list[Input]]:
    """Return carbon, and the water of making the electricity, a day."""
    amounts, factor = carbon_amounts(energy, place)
    chosen = grid(place)
    if chosen.water_m3_per_j is not None:
        each = chosen.water_m3_per_j
        water = Interval(low=energy.low * each, mid=energy.mid * each, high=energy.high * each)
        text = "water of making that electricity, a day"
        amounts.append(Amount(key="grid_water_m3", label=text, interval=water, note=f"{chosen.name}, {chosen.source}"))
    return amounts, [factor]


def _causes(found: Simulation, cost: TokenCost) -> Table:
    names = {
        "active_energy_j": "tokens",
        "idle_energy_j": "idle chips",
        "host_energy_j": "servers around them",
        "facility_energy_j": "data centre",
    }
    total = found.outputs["day_energy_j"][0]
    rows = [
        Row(
            name=name,
            numbers={"energy_j": found.interval(key), "share_frac": point(float(found.outputs[key][0] / total))},
            sources=cost.sources if key == "active_energy_j" else (),
        )
        for key, name in names.items()
    ]
    labels = {"energy_j": "electricity a day", "share_frac": "share"}
    return Table(name="causes", title="Where a day's joules go", labels=labels, rows=tuple(rows))


def _waits(demand: Demand) -> Table:
    """Return how the wait grows with fewer places: what the latency target costs."""
    load_each = demand.concurrent * demand.peak / demand.pools
    rows = []
    for share in (0.9, 1.0, 1.1, 1.25):
        places = max(1, round(demand.places_per_pool * share))
        late = wait_above_frac(places, load_each, service_s=demand.length_s, wait_s=demand.slo_s)
        numbers = {"place_count": point(float(places * demand.pools)), "late_frac": point(late)}
        rows.append(Row(name=f"{100 * share:.0f} % of the places", numbers=numbers))
    labels = {"place_count": "places", "late_frac": f"wait longer than {demand.slo_s:g} s at the peak"}
    return Table(name="waits", title="What the wait costs", labels=labels, rows=tuple(rows))


def _sentences(found: Simulation, demand: Demand) -> tuple[str, ...]:
    def text(key: str) -> str:
        return quantity_text(key, found.interval(key))

    chips = f"{text('chip_count')} {'chip' if text('chip_count') == '1' else 'chips'}"
    return (
        f"It takes {chips}, {text('power_w')} on average and {text('day_energy_j')} a day: "
        f"{text('answer_energy_j')} an answer.",
        f"{count_text(round(demand.concurrent))} requests are in progress on average, {demand.peak:g} times that at "
        f"the peak, so the chips are used to {text('busy_frac')} over the day.",
    )


def _notes(cost: TokenCost, demand: Demand) -> tuple[str, ...]:
    notes = [f"joules per token are {cost.how}, at the {cost.boundary} boundary, with every place of a replica taken"]
    users = next((item.interval.mid for item in demand.origin if item.key == "user_count"), None)
    if users:
        each = demand.requests_per_s * DAY_S / users
        notes.append(f"that is {each:.3g} requests of each user a day")
    if demand.pools == 1 and demand.places > 10_000:
        notes.append("one pool for all: with --pools sites that do not help each other, more chips are needed")
    return tuple(notes)
