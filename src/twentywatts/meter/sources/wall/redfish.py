"""Servers with Redfish: the node's own meter, read through its management controller.

Resource Power: /redfish/v1/Chassis/{id}/Power, PowerControl[0].PowerConsumedWatts, the power drawn now; many
controllers average it over up to a minute. Resource EnvironmentMetrics: PowerWatts.Reading, EnergykWh.Reading.
Source: DMTF DSP2046, Redfish Resource and Schema Guide, Power 1.7 and EnvironmentMetrics 1.3.
"""

from __future__ import annotations

from twentywatts.meter.sources.wall.config import MeterConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ENERGY_PERIOD_S", "HOLD_S", "PERIOD_S", "STEP_J", "energy_j", "path", "power_w"]

PERIOD_S = 60.0  # assumed: controllers that average do so over a minute
ENERGY_PERIOD_S = 60.0
HOLD_S = 5.0  # a management controller is slow: it is asked no more often
STEP_J = 3600.0  # a thousandth of a kilowatt-hour
_JOULES_PER_KWH = 3.6e6


def path(config: MeterConfig, user: str = "", password: str = "") -> str:
    """Return what is asked of the controller."""
    del user, password  # they go into a header
    return f"/redfish/v1/Chassis/{config.channel or '1'}/{config.resource}"


def power_w(answer: Any) -> Any:
    """Return the power [W] as the answer has it."""
    return (
        answer["PowerControl"][0]["PowerConsumedWatts"] if "PowerControl" in answer else answer["PowerWatts"]["Reading"]
    )


def energy_j(answer: Any) -> float:
    """Return the energy since the counter was reset [J]."""
    return float(answer["EnergykWh"]["Reading"] * _JOULES_PER_KWH)
