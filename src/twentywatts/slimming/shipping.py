"""Shipping: the files of what is proved, in the folder that was named; nothing else of an earlier run stays there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from twentywatts.slimming.artefacts import INT8_FILE, write_artefacts
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.int8 import is_quantised

__all__ = ["shipped_files"]


def shipped_files(
    folder: Path, given: Candidate, floating: Candidate, shipped: Candidate, *, force: bool
) -> dict[str, Path]:
    """Return what was written, by name: the float model, its weights and recipe, and int8 only where that is proved.

    Raises InputError where the folder holds something else or cannot be written.
    """
    others: Mapping[str, bytes] = {INT8_FILE: shipped.content} if is_quantised(shipped) else {}
    written = write_artefacts(folder, original=given.content, floating=floating, others=others, force=force)
    if INT8_FILE not in written:
        (folder / INT8_FILE).unlink(missing_ok=True)  # of an earlier run: nothing that is not proved lies there
    return written
