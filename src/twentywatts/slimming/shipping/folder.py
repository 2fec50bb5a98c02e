"""Shipping: the files of what is proved, in the folder that was named; nothing else of an earlier run stays there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from twentywatts.errors import TwentyWattsError
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.result import Entry
from twentywatts.slimming.searching.lab import Lab
from twentywatts.slimming.searching.making import why_no_training
from twentywatts.slimming.shipping.artefacts import INT4_FILE, INT8_FILE, TORCH_FILE, removed, write_artefacts

__all__ = ["INT4_FILE", "TORCH_FILE", "shipped_files"]

_PACKED = {"int8": INT8_FILE, "int4": INT4_FILE}
_STOPPED = f"no {TORCH_FILE} was written: the search was told to end"
_LOADING_S = 5.0  # of torch, where nothing was trained with it
_FEW = 4  # samples that torch's export is shown


def shipped_files(folder: Path, best: Entry, lab: Lab, *, force: bool) -> tuple[str, ...]:
    """Write what ships, and return what a reader must know.

    That is the float model with its weights and recipe, the same in fewer bits only where that is what was proved, and
    for torch where that is installed and there is time to load it. Raises InputError where the folder holds something
    else or cannot be written.
    """
    others: dict[str, bytes] = {}
    if best.precision in _PACKED:
        others[_PACKED[best.precision]] = best.candidate.content
    program, why_not = _for_torch(best.floating, lab)
    if program:
        others[TORCH_FILE] = program
    write_artefacts(folder, original=lab.given.candidate.content, floating=best.floating, others=others, force=force)
    for name in (*_PACKED.values(), TORCH_FILE):
        if name not in others:
            removed(folder, name)  # of an earlier run: nothing that is not proved lies there
    return (why_not,) if why_not else ()


def _for_torch(floating: Candidate, lab: Lab) -> tuple[bytes, str]:
    """Return the float model for torch, or nothing and why; nothing at all of the model as given, and without torch."""
    if not floating.steps or find_spec("torch") is None:
        return b"", ""
    if why_no_training(lab) and lab.clock.rest_s < _LOADING_S and not lab.clock.stop.is_set():
        return b"", f"no {TORCH_FILE} was written: there was no time left to load torch"
    return lab.clock.unless_stopped(lambda: _program(floating, lab)) or (b"", _STOPPED)


def _program(floating: Candidate, lab: Lab) -> tuple[bytes, str]:
    """Return the float model for torch, or nothing and why."""
    from twentywatts.slimming.learning.pt2 import exported

    try:
        return exported(floating.content, inputs={name: x[:_FEW] for name, x in lab.parts.tuning.inputs.items()}), ""
    except TwentyWattsError as error:
        return b"", f"no {TORCH_FILE} was written: {error}"
