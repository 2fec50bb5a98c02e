"""Places: machines and how many of their chips hold one copy of a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from twentywatts.errors import InputError, MachineError
from twentywatts.machines import Machine, load, short_names

__all__ = ["Place", "batches_of", "places_of"]

_COUNTED = re.compile(r"(?P<name>.+?)x(?P<count>[1-9][0-9]{0,4})")
_RANGE = re.compile(r"(?P<low>[0-9]{1,7})\.\.(?P<high>[0-9]{1,7})")
_MOST_BATCH = 1_000_000
_MOST_BATCHES = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """A machine and the chips of it that serve together. note: what a short name was taken for, or empty."""

    name: str
    machine: Machine
    chip_count: int = 1
    note: str = ""


def places_of(on: str | Sequence[str]) -> list[Place]:
    """Return the places of ``h100-sxm,b200x8``; raises MachineError for an unknown machine, InputError for none."""
    texts = on.split(",") if isinstance(on, str) else list(on)
    names = [str(text).strip() for text in texts]
    if not names or not all(names):
        raise InputError("--on wants machines, separated by commas, such as h100-sxm,b200x8 (eight chips together)")
    return list({place.name: place for place in map(_place, names)}.values())


def _place(name: str) -> Place:
    """Return the place of a name; a file is called what its machine is called."""
    try:
        return _named(name, load(name))
    except MachineError:
        found = _COUNTED.fullmatch(name)
        if not found:
            raise
    one, count = _named(found["name"], load(found["name"])), int(found["count"])
    return replace(one, name=f"{one.name}x{count}", chip_count=count)


def _named(name: str, machine: Machine) -> Place:
    note = "".join(short_names([name]))
    return Place(name=machine.name if note or name.endswith(".toml") else name, machine=machine, note=note)


def batches_of(batch: int | str | Sequence[int] | None) -> tuple[int, ...] | None:
    """Return the batches that were asked for: one, a list, or ``1..256`` by powers of two; None where none was.

    Raises InputError for anything else.
    """
    if batch is None:
        return None
    if isinstance(batch, str) and (found := _RANGE.fullmatch(batch.strip())):
        return _doubling(int(found["low"]), int(found["high"]))
    try:
        sizes = [int(text) for text in batch.split(",")] if isinstance(batch, str) else None
    except ValueError:
        sizes = []
    if sizes is None:
        sizes = [batch] if isinstance(batch, int) else list(batch)  # type: ignore[arg-type]
    is_whole = all(isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= _MOST_BATCH for size in sizes)
    if not sizes or not is_whole or len(sizes) > _MOST_BATCHES:
        wanted = f"a whole number from 1 to {_MOST_BATCH:,}, or a range such as 1..256"
        raise InputError(f"the batch must be {wanted}, got {str(batch)[:40]!r}")
    return tuple(sizes)


def _doubling(low: int, high: int) -> tuple[int, ...]:
    if not 1 <= low <= high <= _MOST_BATCH:
        raise InputError(f"a range of batches goes from at least 1 up to at most {_MOST_BATCH:,}, got {low}..{high}")
    sizes = [low]
    while sizes[-1] * 2 <= high:
        sizes.append(sizes[-1] * 2)
    return tuple(sizes if sizes[-1] == high else [*sizes, high])
