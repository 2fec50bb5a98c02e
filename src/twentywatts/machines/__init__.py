"""Machines: chips as published. Loading and listing them; no fitted constant and no code of a chip.

Names are loaded when they are first used: what needs one number of this room pays for that alone.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.machines.catalog import bundled_names, load, load_all, short_names
    from twentywatts.machines.machine import FAMILIES, Machine
    from twentywatts.machines.traits import CrossbarTraits, ProcessorTraits, SpikingTraits, Traits, traits_of

_HOMES = {
    "catalog": ("bundled_names", "load", "load_all", "short_names"),
    "machine": ("FAMILIES", "Machine"),
    "traits": ("CrossbarTraits", "ProcessorTraits", "SpikingTraits", "Traits", "traits_of"),
}

__all__ = [
    "FAMILIES",
    "CrossbarTraits",
    "Machine",
    "ProcessorTraits",
    "SpikingTraits",
    "Traits",
    "bundled_names",
    "load",
    "load_all",
    "short_names",
    "traits_of",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'twentywatts.machines' has no attribute '{name}'")
    value = getattr(import_module(f"twentywatts.machines.{home}"), name)
    globals()[name] = value
    return value
