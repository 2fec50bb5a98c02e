"""What was given as a live object lies in a file for a while: its name is that of the object, not of the file."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PREFIX", "shown_name"]

PREFIX = "twentywatts-given-"  # of the temporary folders that live modules and arrays are written into


def shown_name(path: Path) -> str:
    """Return the name of a file for people: of one that stands for an object without the ending that it was given."""
    return path.stem if path.parent.name.startswith(PREFIX) else path.name
