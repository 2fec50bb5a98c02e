"""The meter: joules of a running program, and the truth when there are none.

Names are loaded when they are first used: a program that imports this room pays for what it uses.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.api import Meter, mark, measure, measured
    from twentywatts.meter.benchmark import benchmark
    from twentywatts.meter.contract import Channel, Finding, How, Quantity, ReadError, Reading, Scope, Source

_HOMES = {
    "api": ("Meter", "mark", "measure", "measured"),
    "benchmark": ("benchmark",),
    "contract": ("Channel", "Finding", "How", "Quantity", "ReadError", "Reading", "Scope", "Source"),
}

__all__ = [
    "Channel",
    "Finding",
    "How",
    "Meter",
    "Quantity",
    "ReadError",
    "Reading",
    "Scope",
    "Source",
    "benchmark",
    "mark",
    "measure",
    "measured",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'twentywatts.meter' has no attribute '{name}'")
    value = getattr(import_module(f"twentywatts.meter.{home}"), name)
    globals()[name] = value
    return value
