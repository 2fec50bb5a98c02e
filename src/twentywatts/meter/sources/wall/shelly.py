"""Shelly plugs and switches of generation 2 and newer: GET /rpc/Switch.GetStatus?id=0.

"apower" is the last measured active power [W], "aenergy.total" the energy since the counter was reset [Wh].
Source: Shelly Technical Documentation, Gen2+, Switch, section Status
(https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Switch).
"""

from __future__ import annotations

from twentywatts.meter.sources.wall.config import MeterConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ENERGY_PERIOD_S", "PERIOD_S", "STEP_J", "energy_j", "path", "power_w"]

PERIOD_S = 1.0  # assumed: the documentation says "last measured" and not how often
ENERGY_PERIOD_S = 60.0  # assumed: its series is by minute
STEP_J = 3.6  # printed to a thousandth of a watt-hour
_JOULES_PER_WH = 3600.0


def path(config: MeterConfig, user: str = "", password: str = "") -> str:
    """Return what is asked of the plug."""
    del user, password  # they go into a header
    return f"/rpc/Switch.GetStatus?id={config.channel or '0'}"


def power_w(answer: Any) -> Any:
    """Return the power [W] as the answer has it."""
    return answer["apower"]


def energy_j(answer: Any) -> float:
    """Return the energy since the counter was reset [J]."""
    return float(answer["aenergy"]["total"] * _JOULES_PER_WH)
