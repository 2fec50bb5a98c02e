"""Quantities of the command line in SI units; whatever is wrong with one, the error names its option."""

from __future__ import annotations

import argparse

__all__ = ["needed", "quantity"]

_RATIOS = {
    "mfu": "a share such as 0.4 or 40%",
    "late": "a share such as 0.05 or 5%",
    "flexible": "a share such as 0.3 or 30%",
    "pv_yield": "a share such as 0.12 or 12%",
    "wind_yield": "a share such as 0.3 or 30%",
    "pue": "a ratio such as 1.2",
    "peak": "a ratio such as 2.5",
    "efficiency": "a ratio such as 2",
}
_OPTIONS = {"duration": "for"}  # named otherwise than on the command line


def quantity(args: argparse.Namespace, name: str, unit: str = "1") -> float | None:
    """Return the argument ``name`` in the SI unit ``unit``, None where nothing was given; raises InputError."""
    return None if getattr(args, name) is None else needed(args, name, unit)


def needed(args: argparse.Namespace, name: str, unit: str = "1") -> float:
    """Return the argument ``name`` in the SI unit ``unit``; a share may stand in per cent. Raises InputError."""
    from twentywatts.errors import InputError, clean
    from twentywatts.units import parse_quantity

    text = getattr(args, name)
    option = "--" + _OPTIONS.get(name, name.replace("_", "-"))
    try:
        if "%" in _RATIOS.get(name, "") and text.endswith("%"):
            return parse_quantity(text[:-1], unit) / 100
        return parse_quantity(text, unit)
    except InputError as error:
        if name in _RATIOS:
            raise InputError(f"{option} wants {_RATIOS[name]}, got '{clean(text)[:60]}'") from None
        raise InputError(f"{option}: {error}" if name != "quantity" else str(error)) from None
