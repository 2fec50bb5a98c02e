"""What is asked of a service: what a token costs, requests by Little's law, places by Erlang C."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from twentywatts.errors import InputError
from twentywatts.figures import Boundary, Evidence
from twentywatts.ledger import Ledger
from twentywatts.plan.inputs import bundled, given, number
from twentywatts.plan.queueing import servers_for_wait
from twentywatts.plan.result import Input
from twentywatts.uncertain import Array, Interval
from twentywatts.units import DAY_S

__all__ = ["Demand", "ServingOptions", "TokenCost", "demand_of", "token_cost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCost:
    """What one token costs. energy_j: joules per token at ``boundary``; stream_s: seconds that a place is taken for it.

    stream_s holds what the prompts of others delay, so that a replica writes streams / stream_s tokens a second.
    streams: requests that one replica serves at once; chips: of a replica. how: measured or modelled, in words.
    draws: joules and seconds as they were drawn together, (2, 1 + draws); None where they are known apart.
    """

    energy_j: Interval
    stream_s: Interval
    streams: float
    chips: int
    boundary: Boundary
    how: str
    evidence: Evidence = Evidence.MODELLED
    sources: tuple[str, ...] = ()
    draws: Array | None = field(default=None, repr=False, compare=False)


class ServingOptions(TypedDict, total=False):
    """What is known of a service.

    users, requests_per_user: a day. concurrent: requests in progress, on average. requests_per_s: instead of both.
    tokens: per answer (1 for an account per image or inference). streams: with an account, how many it served at once.
    peak: over mean. slo_s: longest wait for a place [s], kept by all but late_frac. pools: sites that do not help each
    other. climate: cold, temperate or hot. pue: instead of the climate's. grid: country, for carbon and water.
    seed: of the draws.
    """

    users: float | None
    requests_per_user: float | None
    concurrent: float | None
    requests_per_s: float | None
    tokens: float
    streams: float
    peak: float | None
    slo_s: float
    late_frac: float
    pools: int
    climate: str
    pue: float | None
    grid: str | None
    seed: int


def token_cost(ledger: Ledger, *, streams: float = 1.0, tokens: float = 1.0) -> TokenCost:
    """Return what a token costs by any account, measured or modelled.

    streams: requests that were served at once; each then takes the ledger's latency. tokens: of one unit of an account
    that is not per token (a request, a reply); with 1 the whole answer counts as one token (an image, an inference).
    """
    import numpy as np

    tokens = 1.0 if ledger.per == "token" else number("tokens", tokens, low=1e-3, high=1e9)
    measured = ledger.evidence >= Evidence.CHIP_COUNTER
    return TokenCost(
        energy_j=_divided(ledger.energy_j.interval, tokens),
        stream_s=_divided(ledger.latency_s.interval, tokens),
        streams=number("streams", streams),
        chips=ledger.chip_count,
        boundary=Boundary(ledger.boundary),
        how="measured" if measured else "modelled",
        evidence=ledger.evidence,
        sources=ledger.sources,
        draws=np.array(np.broadcast_arrays(ledger.energy_j.values, ledger.latency_s.values)) / tokens,
    )


def _divided(interval: Interval, count: float) -> Interval:
    return Interval(low=interval.low / count, mid=interval.mid / count, high=interval.high / count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked: requests per second on average, their length [s], peak over mean, and the places that it takes."""

    requests_per_s: float
    length_s: float
    peak: float
    slo_s: float
    late_frac: float
    pools: int
    places_per_pool: int
    origin: tuple[Input, ...]

    @property
    def concurrent(self) -> float:
        """Requests in progress on average, by Little's law."""
        return self.requests_per_s * self.length_s

    @property
    def places(self) -> float:
        """Places in all pools."""
        return float(self.places_per_pool * self.pools)


def demand_of(cost: TokenCost, options: ServingOptions) -> Demand:
    """Return what is asked of a service and the places that keep its wait; raises InputError."""
    tokens = number("tokens", options.get("tokens", 1.0), low=1e-3, high=1e9)
    length_s = tokens * cost.stream_s.mid
    rate, origin = _rate(length_s, options)
    asked = options.get("peak")
    peak = bundled("serving")["peak_ratio"].interval.mid if asked is None else number("peak", asked, low=1.0, high=1e4)
    slo_s = number("slo_s", options.get("slo_s", 2.0), low=1e-9, high=1e6)
    late = number("late_frac", options.get("late_frac", 0.05), low=1e-9, high=0.5)
    pools = options.get("pools", 1)
    if isinstance(pools, bool) or not isinstance(pools, int) or not 1 <= pools <= 100_000:
        raise InputError(f"pools must be a whole number from 1 to 100,000, got {pools!r}")
    load_each = rate * peak * length_s / pools
    places = servers_for_wait(load_each, service_s=length_s, wait_s=slo_s, late_frac=late)
    return Demand(
        requests_per_s=rate,
        length_s=length_s,
        peak=peak,
        slo_s=slo_s,
        late_frac=late,
        pools=pools,
        places_per_pool=places,
        origin=(given("tokens_count", "tokens of an answer", tokens), *origin),
    )


def _rate(length_s: float, options: ServingOptions) -> tuple[float, list[Input]]:
    """Return requests per second on average, from whichever of the three was given, and the inputs behind it."""
    concurrent, rate = options.get("concurrent"), options.get("requests_per_s")
    users = options.get("users")
    if concurrent is not None and rate is not None:
        raise InputError("give either --concurrent or --requests: one follows from the other by Little's law")
    found: list[Input] = [] if users is None else [given("user_count", "users a day", number("users", users, low=1.0))]
    if concurrent is not None:
        value = number("concurrent", concurrent, low=1e-9)
        return value / length_s, [*found, given("concurrent_count", "requests in progress, mean", value)]
    if rate is not None:
        value = number("requests_per_s", rate, low=1e-9)
        return value, [*found, given("request_per_s", "requests a second, mean", value)]
    if users is None:
        raise InputError("give --concurrent, --requests or --users: how much is asked")
    each = options.get("requests_per_user")
    item = bundled("serving")["requests_per_user_count"]
    if each is not None:
        item = given(item.key, item.label, number("requests_per_user", each, low=1e-6))
    return users * item.interval.mid / DAY_S, [*found, item]
