"""The NVIDIA boards of a machine as NVML lists them, and which of them this program may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twentywatts.meter.contract import Channel, Finding, ReadError
from twentywatts.meter.sources import cuda
from twentywatts.meter.sources.files import FoundSource
from twentywatts.meter.sources.nvml_api import Board, Library
from twentywatts.meter.sources.nvml_boards import NAME, Listed, measure, refused

__all__ = ["found"]

_MOST_BOARDS, _MOST_PARTITIONS = 64, 16
_PARTITION = "a partition has no counter of its own: this is its whole board, with the work of all its partitions"


def found(library: Library, environ: Mapping[str, str]) -> FoundSource:
    """Return every board with what is to be said of it; NVML must be open."""
    listed, words = _list(library)
    choice = cuda.choose(
        environ,
        [item.board.uuid if isinstance(item, Listed) else "" for item in listed],
        partitions=_partitions(library, listed) if "MIG-" in environ.get(cuda.VARIABLE, "") else {},
        is_mixed=len({item.name for item in listed if isinstance(item, Listed)}) > 1,
    )
    channels: list[Channel] = []
    for position, item in enumerate(listed):
        if not isinstance(item, Listed):
            continue
        if position not in choice.positions:
            words.append(refused(item, f"hidden by {cuda.VARIABLE}"))
            continue
        notes = (*choice.notes, *((_PARTITION,) if item.is_partitioned or position in choice.partitions else ()))
        own, finding = measure(library, item, notes)
        channels += own
        words.append(finding)
    return FoundSource(name=NAME, found=tuple(channels), said=tuple(words))


def _list(library: Library) -> tuple[list[Listed | None], list[Finding]]:
    """Return the boards in NVML's order, None for one that does not answer, and what is to be said of those."""
    listed: list[Listed | None] = []
    said = []
    for position in range(library.count("nvmlDeviceGetCount", most=_MOST_BOARDS)):
        try:
            handle = library.call("nvmlDeviceGetHandleByIndex", position)
            board = Board(library, library.text("nvmlDeviceGetUUID", handle), handle)
            listed.append(_describe(position, board))
        except ReadError as error:
            listed.append(None)
            reason = f"it does not answer: {error}"
            said.append(Finding(source=NAME, what=f"gpu {position}", found=True, readable=False, reason=reason))
    return listed, said


def _describe(position: int, board: Board) -> Listed:
    driver = board.driver
    virtual = getattr(driver.nvml, "NVML_GPU_VIRTUALIZATION_MODE_VGPU", 2)
    modes = board.call_or((0, 0), "nvmlDeviceGetMigMode")
    return Listed(
        position=position,
        board=board,
        name=board.text("nvmlDeviceGetName"),
        is_virtual=board.call_or(None, "nvmlDeviceGetVirtualizationMode") == virtual,
        is_partitioned=bool(modes[0]) if isinstance(modes, list | tuple) and modes else False,
    )


def _partitions(library: Library, listed: Sequence[Listed | None]) -> dict[str, int]:
    """Return the UUID of every partition with the position of its board."""
    found = {}
    for item in listed:
        if item is None or not item.is_partitioned:
            continue
        for index in range(item.board.count("nvmlDeviceGetMaxMigDeviceCount", most=_MOST_PARTITIONS)):
            handle = item.board.call_or(None, "nvmlDeviceGetMigDeviceHandleByIndex", index)
            if handle is not None:
                try:
                    found[library.text("nvmlDeviceGetUUID", handle)] = item.position
                except ReadError:
                    continue
    return found
