"""Which boards a CUDA program may use: the rules of CUDA_VISIBLE_DEVICES, applied to what NVML lists.

An entry is an index, a UUID or its beginning ("GPU-8a5f"), or a partition ("MIG-…"; older drivers "MIG-GPU-…/1/0").
The first entry that names nothing ends the list, an empty list hides every board.
Source: CUDA C++ Programming Guide, environment variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twentywatts.records import record

__all__ = ["Choice", "choose"]

VARIABLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"


_NONE: Mapping[int, tuple[str, ...]] = {}


@record()
class Choice:
    """Positions of the boards in NVML's order; partitions: position of a board to the partitions named of it."""

    positions: tuple[int, ...]
    partitions: Mapping[int, tuple[str, ...]] = _NONE
    notes: tuple[str, ...] = ()


def choose(
    environ: Mapping[str, str],
    uuids: Sequence[str],
    *,
    partitions: Mapping[str, int],
    is_mixed: bool = False,
) -> Choice:
    """Return the boards that ``environ`` lets a program use.

    uuids: of the boards in NVML's order (by bus). partitions: UUID of each partition to the position of its board.
    is_mixed: the boards are not all of one model, so that CUDA may count them in another order than NVML.
    """
    wanted = environ.get(VARIABLE)
    if wanted is None:
        return Choice(positions=tuple(range(len(uuids))))
    positions: list[int] = []
    parts: dict[int, list[str]] = {}
    by_index = False
    for entry in (word.strip() for word in wanted.split(",")):
        position = _position(entry, uuids, partitions)
        if position is None:
            break
        by_index = by_index or entry.isdigit()
        if position not in positions:
            positions.append(position)
        if entry.startswith("MIG-"):
            parts.setdefault(position, []).append(entry)
    return Choice(
        positions=tuple(positions),
        partitions={position: tuple(names) for position, names in parts.items()},
        notes=_doubt(environ) if by_index and is_mixed else (),
    )


def _doubt(environ: Mapping[str, str]) -> tuple[str, ...]:
    if environ.get(ORDER, "").upper() == "PCI_BUS_ID":
        return ()
    return (f"{VARIABLE} counts boards in CUDA's order here, which may differ: name them by UUID, or set {ORDER}",)


def _position(entry: str, uuids: Sequence[str], partitions: Mapping[str, int]) -> int | None:
    """Return the position of the board that an entry names, None where it names none or several."""
    if entry.isdigit() and entry.isascii():
        return int(entry) if len(entry) < 6 and int(entry) < len(uuids) else None
    if entry.startswith("MIG-GPU-"):
        entry = entry.removeprefix("MIG-").partition("/")[0]
    if entry.startswith("MIG-"):
        found = {position for uuid, position in partitions.items() if uuid.startswith(entry)}
    elif entry.startswith("GPU-") and len(entry) > len("GPU-"):
        found = {position for position, uuid in enumerate(uuids) if uuid.startswith(entry)}
    else:
        return None
    return found.pop() if len(found) == 1 else None
