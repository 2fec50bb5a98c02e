"""``twentywatts measure -- command``: the joules of a command and everything it starts, its own exit code kept."""

from __future__ import annotations

import argparse
import sys

from twentywatts.cli import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.cli.measuring import Outputs

__all__ = ["add_parser", "run"]

_BAD_INPUT = 2
_LATEST = "\0latest"  # no file is called that


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "measure",
        help="the joules of a command, children included, or the truth where nothing can be measured",
        description="Run a command and tell the joules it took. Its exit code is kept, signals reach it, and what "
        "could only be estimated is called so. Give the command after --.",
        usage="twentywatts measure [options] -- command [arguments …]",
    )
    parser.add_argument("--json", metavar="FILE", help="write twentywatts.measurement/1")
    parser.add_argument("--marks", metavar="FILE.csv", help="write the stretches between the marks of the command")
    journal = parser.add_mutually_exclusive_group()
    journal.add_argument("--journal", metavar="FILE", help="append samples as they come, and keep them")
    journal.add_argument("--no-journal", action="store_true", help="write no samples until the command ends")
    parser.add_argument(
        "--resume",
        metavar="FILE",
        nargs="?",
        const=_LATEST,
        help="report from a journal alone what was seen (default: of the latest meter that was killed); runs nothing",
    )
    parser.add_argument("--interval", type=float, metavar="S", help="take samples this often (default: as needed)")
    parser.add_argument("--require-measured", action="store_true", help="fail instead of estimating")
    parser.add_argument(
        "--wall", metavar="CONFIG", help="a .toml file that describes a wall meter; with --resume, a recording"
    )
    parser.add_argument("--wait", action="store_true", help="wait for processes that outlive the command, too")
    parser.add_argument("--quiet", "-q", action="store_true", help="no live line")
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, tell, write; return the exit code of the command. Raises TwentyWattsError for bad input."""
    from twentywatts.errors import InputError

    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if args.interval is not None and not 0.01 <= args.interval <= 3600:
        raise InputError(f"--interval takes seconds from 0.01 to 3600, got {args.interval}")
    if args.json == args.marks == "-":
        raise InputError("--json and --marks cannot both go to standard output")
    if args.resume and (args.journal or args.no_journal or args.interval or args.wait or args.require_measured):
        raise InputError(
            "--resume reports a journal and measures nothing: it goes with --json and --marks alone, "
            "and with --wall for a recording"
        )
    if args.resume and command:
        raise InputError("--resume reports a journal and runs nothing: leave the command out")
    if not args.resume and not command:
        raise InputError("give the command after --, such as: twentywatts measure -- python train.py")
    return _resumed(args) if args.resume else _measured(args, command)


def _measured(args: argparse.Namespace, command: list[str]) -> int:
    from twentywatts.cli.measuring import Wishes, measure_command
    from twentywatts.meter.child import CommandError

    outputs = _outputs(args)
    wishes = Wishes(
        journal=args.journal,
        keeps=not args.no_journal,
        interval_s=args.interval,
        require_measured=args.require_measured,
        wall=args.wall,
        waits=args.wait,
        is_live=not args.quiet and streams.is_terminal(sys.stderr),
        wants_marks=bool(args.marks or args.json or args.journal),
    )
    try:
        return measure_command(command, wishes, outputs)
    except CommandError as error:
        outputs.say([str(error)])
        return error.code


def _resumed(args: argparse.Namespace) -> int:
    from twentywatts.cli.measuring import resume

    if args.resume == _LATEST:
        from twentywatts.meter.kept import latest

        args.resume = str(latest())
        streams.tell([f"reading {args.resume}"])
    return resume(args.resume, _outputs(args), wall=args.wall)


def _outputs(args: argparse.Namespace) -> Outputs:
    from twentywatts.cli.measuring import Outputs

    read = tuple(name for name in (args.journal, args.resume, args.wall) if name)
    return Outputs(json=args.json, marks=args.marks, keep=read, say=streams.tell)
