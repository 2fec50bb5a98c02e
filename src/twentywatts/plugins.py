"""Plug-ins: one lookup for readers, machines, meters and pricers.

Built-ins stand in a static table and are imported when they are used. A name that is not in the table is looked up
among installed entry points of the group ``twentywatts.<kind>``; that scan costs milliseconds, so it comes last.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["find", "names"]

_BUILT_IN: dict[str, dict[str, str]] = {
    "readers": {"onnx": "twentywatts.readers.onnx:read"},
    "pricers": {
        "ProcessorWorkload": "twentywatts.price.processor:costs",
        "SpikingWorkload": "twentywatts.price.neuromorphic:costs",
        "CrossbarWorkload": "twentywatts.price.crossbar:costs",
        "BrainWorkload": "twentywatts.price.brain:costs",
        "DecoderWorkload": "twentywatts.price.decoder:costs",
        "DiffusionWorkload": "twentywatts.price.diffusion:costs",
    },
    "machines": {},
    "meters": {},
}


def find(kind: str, name: str) -> Any | None:
    """Return the object registered as ``name`` in group ``kind``, or None."""
    target = _BUILT_IN[kind].get(name)
    if target is not None:
        module, attribute = target.split(":")
        return getattr(import_module(module), attribute)
    from importlib.metadata import entry_points

    for entry in entry_points(group=f"twentywatts.{kind}", name=name):
        return entry.load()
    return None


def names(kind: str) -> list[str]:
    """Return every name of a group, built-ins first, then installed plug-ins."""
    from importlib.metadata import entry_points

    found = list(_BUILT_IN[kind])
    return found + sorted(entry.name for entry in entry_points(group=f"twentywatts.{kind}") if entry.name not in found)
