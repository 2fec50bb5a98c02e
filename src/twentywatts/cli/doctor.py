"""``twentywatts doctor``: each energy counter, whether it lives, and the exact commands that would help."""

from __future__ import annotations

import argparse

from twentywatts.cli import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_parser", "run"]

_NOTHING_LIVES = 1


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="what this machine can measure, and how to make it measure more",
        description="Look at every energy counter: found, readable, alive under load, how accurate; print what would "
        "help. The exit code is 0 where at least one counter lives, else 1.",
    )
    parser.add_argument("--json", metavar="FILE", help="write twentywatts.doctor/1, '-' for standard output")
    parser.add_argument(
        "--apply", action="store_true", help="write the udev and tmpfiles rules (as root); all else is only printed"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine and tell; return 0 where something lives, else 1. Raises TwentyWattsError for bad input."""
    from twentywatts.cli.circumstances import circumstances
    from twentywatts.meter.doctor import examine, rule_files
    from twentywatts.reports.doctor import doctor_document, doctor_lines
    from twentywatts.reports.output import check_writable, write_json

    if args.json:
        check_writable(args.json)
    seen = examine()
    files = rule_files(seen.findings)
    document = doctor_document(seen, files, circumstances())
    if args.json:
        write_json(document, args.json)
    if args.json != "-":
        print("\n".join(doctor_lines(document)))
    if args.apply:
        _apply(files)
    return 0 if seen.can_measure else _NOTHING_LIVES


def _apply(files: Any) -> None:
    from twentywatts.meter.doctor import apply
    from twentywatts.meter.here import machine_root

    if not files:
        streams.say("--apply: there is no rule to write here")
        return
    for file in files:
        print(f"\n{file.path}:\n{file.text}", end="")
    for path in apply(files, root=machine_root()):
        print(f"written: {path}; run the other commands above, or start the machine again")
