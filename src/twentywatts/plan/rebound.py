"""Rebound: cheaper joules per answer make more answers asked for, until a saving backfires."""

from __future__ import annotations

from twentywatts.plan.inputs import point
from twentywatts.plan.result import Row, Table
from twentywatts.uncertain import Interval

__all__ = ["energy_ratio", "rebound_frac", "rebound_table"]


def energy_ratio(efficiency: float, response: float) -> float:
    """Return energy after over energy before, g^(response - 1), when each answer takes 1 / g of the energy.

    response is pass-through × price elasticity: how far demand follows the price (g^response more answers).
    Source: the definition of a constant elasticity; Masanet 2020's data for 2010-18 imply a response of 1.03.
    """
    return float(efficiency ** (response - 1.0))


def rebound_frac(efficiency: float, response: float) -> float:
    """Return the share of the expected saving that demand eats: 0 none, 1 all of it, above 1 it backfires."""
    return (energy_ratio(efficiency, response) - 1.0 / efficiency) / (1.0 - 1.0 / efficiency)


def rebound_table(energy_j: Interval, efficiency: float) -> Table:
    """Return what becomes of a fleet's energy when chips get ``efficiency`` times better, by how demand responds."""
    rows = []
    cases = ((0.0, "no one asks more"), (0.5, "half passed on or felt"), (1.0, "all of the saving is eaten"))
    for response, meaning in (*cases, (1.25, "backfires"), (1.5, "backfires")):
        ratio = energy_ratio(efficiency, response)
        after = Interval(low=energy_j.low * ratio, mid=energy_j.mid * ratio, high=energy_j.high * ratio)
        rows.append(
            Row(
                name=f"{response:g}",
                numbers={"energy_j": after, "rebound_ratio": point(rebound_frac(efficiency, response))},
                texts={"meaning": meaning},
            )
        )
    labels = {"energy_j": "electricity after", "rebound_ratio": "rebound", "meaning": "what it means"}
    title = f"Rebound: chips {efficiency:g} times better, by pass-through × elasticity of demand"
    return Table(name="rebound", title=title, labels=labels, rows=tuple(rows))
