"""Plugs that run Tasmota: GET /cm?cmnd=Status%208, answered by {"StatusSNS": {"ENERGY": {"Power": W, "Total": kWh}}}.

Where a device has several sockets both are lists. A password goes into the address, in the clear: that is how Tasmota
wants it. Source: Tasmota documentation, Commands, "with Web Requests", and JSON Status Responses
(https://tasmota.github.io/docs/Commands, https://tasmota.github.io/docs/JSON-Status-Responses).
"""

from __future__ import annotations

from twentywatts.meter.sources.wall.config import MeterConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ENERGY_PERIOD_S", "PERIOD_S", "STEP_J", "energy_j", "path", "power_w"]

PERIOD_S = 1.0  # assumed: not documented
ENERGY_PERIOD_S = 1.0
STEP_J = 3600.0  # a thousandth of a kilowatt-hour, the default of EnergyRes
_JOULES_PER_KWH = 3.6e6


def path(config: MeterConfig, user: str = "", password: str = "") -> str:
    """Return what is asked of the plug."""
    del config
    if not password:
        return "/cm?cmnd=Status%208"
    from urllib.parse import quote

    return f"/cm?user={quote(user or 'admin', safe='')}&password={quote(password, safe='')}&cmnd=Status%208"


def power_w(answer: Any) -> Any:
    """Return the power [W] as the answer has it, summed over sockets."""
    return _sum(answer["StatusSNS"]["ENERGY"]["Power"])


def energy_j(answer: Any) -> float:
    """Return the energy since the counter was reset [J]."""
    return float(_sum(answer["StatusSNS"]["ENERGY"]["Total"]) * _JOULES_PER_KWH)


def _sum(value: Any) -> Any:
    return sum(value) if isinstance(value, list) and value else value
