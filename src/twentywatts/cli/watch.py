"""``twentywatts watch``: live power by component; a screen on a terminal, a line per interval elsewhere."""

from __future__ import annotations

import argparse
import sys

from twentywatts.cli import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.here import Here
    from twentywatts.meter.station import Station

__all__ = ["add_parser", "run"]

_NOTHING_LIVES = 1
_USUAL_ROWS = 24


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "watch",
        help="live power by component",
        description="Show what every live counter of this machine draws now. q or Ctrl-C leaves.",
    )
    parser.add_argument("--interval", type=float, default=1.0, metavar="S", help="seconds between two looks (1)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Watch until told to stop; return 0, or 1 where nothing lives. Raises TwentyWattsError for bad input."""
    from twentywatts.errors import InputError
    from twentywatts.meter.here import look
    from twentywatts.meter.station import Station
    from twentywatts.reports.measurement import why_nothing_lives

    if not 0.1 <= args.interval <= 3600:
        raise InputError(f"--interval takes seconds from 0.1 to 3600, got {args.interval}")
    here = look(is_rank=False)
    if not here.assembly.channels:
        why = why_nothing_lives(here.assembly, here.findings())
        streams.say(f"nothing can be watched here: {why}; see `twentywatts doctor`")
        return _NOTHING_LIVES
    station = Station(here.assembly).start()
    try:
        if _is_screen():
            _screen(station, here, args.interval)
        else:
            _lines(station, args.interval)
    except KeyboardInterrupt:
        pass
    finally:
        station.close()
    return 0


def _is_screen() -> bool:
    """Return whether there is a terminal that can be drawn on, with a keyboard."""
    import os

    is_smart = os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    return is_smart and streams.is_terminal(sys.stdout) and streams.is_terminal(sys.stdin)


def _lines(station: Station, interval_s: float) -> None:
    import time

    from twentywatts.reports.live import live_line

    while True:
        time.sleep(interval_s)
        print(live_line(station.rows(), time.strftime("%H:%M:%S")), flush=True)


def _screen(station: Station, here: Here, interval_s: float) -> None:
    """Draw until q; the keyboard is read key by key and given back as it was."""
    import termios
    import tty

    from rich.live import Live

    from twentywatts.reports.live import live_view

    notes = [f"{channel.component}: {reason}" for channel, reason in here.assembly.rejected]
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        console = streams.console()
        if console.height < 1:
            console.height = _USUAL_ROWS  # LINES=0: nobody knows it
        with Live(console=console, screen=True, auto_refresh=False) as live:
            history: dict[str, list[float]] = {}
            while True:
                live.update(live_view(station.rows(), history, notes, height=console.height), refresh=True)
                if _is_quit(descriptor, interval_s):
                    return
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _is_quit(descriptor: int, timeout_s: float) -> bool:
    """Wait for the interval or a key; return whether it was q, or the terminal is gone."""
    import os
    import select
    import time

    end_s = time.monotonic() + timeout_s
    while (left_s := end_s - time.monotonic()) > 0:
        ready, _, _ = select.select([descriptor], [], [], left_s)
        if ready:
            keys = os.read(descriptor, 64)
            if not keys or b"q" in keys.lower():
                return True
    return False
