"""Machines: chips as published. Loading and listing them; no fitted constant and no code of a chip."""

from twentywatts.machines.catalog import bundled_names, load
from twentywatts.machines.machine import FAMILIES, Machine
from twentywatts.machines.traits import CrossbarTraits, ProcessorTraits, SpikingTraits, Traits, traits_of

__all__ = [
    "FAMILIES",
    "CrossbarTraits",
    "Machine",
    "ProcessorTraits",
    "SpikingTraits",
    "Traits",
    "bundled_names",
    "load",
    "traits_of",
]
