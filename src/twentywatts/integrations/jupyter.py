"""Jupyter: ``%load_ext twentywatts.integrations.jupyter``, then ``%%joules`` over a cell or ``%joules f(x)``."""

from __future__ import annotations

from typing import Any

__all__ = ["joules", "load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: Any) -> None:
    """Add the magic to a shell of IPython."""
    shell.register_magic_function(lambda line, cell=None: joules(shell, line, cell), "line_cell", "joules")


def unload_ipython_extension(shell: Any) -> None:
    """Take the magic away."""
    shell.magics_manager.magics["line"].pop("joules", None)
    shell.magics_manager.magics["cell"].pop("joules", None)


def joules(shell: Any, line: str, cell: str | None = None) -> None:
    """Run a cell (or the rest of the line), show its joules, keep the window in the notebook as ``joules_``."""
    import sys

    from twentywatts.meter import Meter

    meter = Meter(line.strip() if cell is not None else "").start()
    try:
        shell.run_cell(line if cell is None else cell, store_history=False)  # shows a traceback by itself
    finally:
        meter.stop()
    shell.user_ns["joules_"] = meter.span
    sys.stdout.write(_sentence(meter.span) + "\n")


def _sentence(span: Any) -> str:
    """Return the result as one line."""
    from twentywatts.units import format_interval, format_si

    took = f"in {format_si(span.duration_s, 's')}"
    if span.interval is None:
        return f"energy unavailable {took}: run `twentywatts doctor`"
    text = format_interval(span.interval.low, span.interval.mid, span.interval.high, "J")
    if span.is_measured:
        return f"{text} {took}, measured"
    return f"ESTIMATED, not measured: {text} {took}; `twentywatts doctor` tells why"
