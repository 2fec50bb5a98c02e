"""``twentywatts machines``: what is known of each chip, and whether a machine file is right."""

from __future__ import annotations

import argparse
import sys

from twentywatts.cli import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.machines import Machine

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb and return its parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "machines", help="list the machines and their published figures", description="List the machines."
    )
    json_help = "write twentywatts.machines/1 to a file, '-' for standard output, instead of the table"
    parser.add_argument("--json", metavar="FILE", help=json_help)
    actions = parser.add_subparsers(dest="action", metavar="{show,check}")
    show = actions.add_parser("show", help="print every figure of one machine with interval, condition and source")
    show.add_argument("machine", metavar="NAME", help="a machine's name or a .toml file")
    # SUPPRESS: without it the default here would overwrite a --json given before `show`
    show.add_argument("--json", metavar="FILE", default=argparse.SUPPRESS, help=json_help)
    check = actions.add_parser("check", help="check a machine file and name all its problems at once")
    check.add_argument("file", metavar="FILE.toml")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """List, show or check; return the exit code. Raises TwentyWattsError for bad input."""
    from twentywatts.reports.output import check_writable

    if args.json is not None:
        check_writable(args.json, keep=[args.machine] if args.action == "show" else [])
    if args.action == "check":
        return _check(args.file)
    return _show(args.machine, args.json) if args.action == "show" else _list(args.json)


def _list(target: str | None) -> int:
    from twentywatts.errors import MachineError, clean
    from twentywatts.machines import FAMILIES, bundled_names, load
    from twentywatts.plugins import names as plugin_names

    machines = []
    for name in ["this-cpu", *bundled_names(), *plugin_names("machines")]:
        try:
            machines.append(load(name))
        except MachineError as error:  # a broken plug-in must not hide the others
            print(f"{name}: {clean(error)}", file=sys.stderr)
    return _output(sorted(machines, key=lambda machine: FAMILIES.index(machine.family)), target)


def _show(name: str, target: str | None) -> int:
    from twentywatts.machines import load

    return _output([load(name)], target, detail=True)


def _output(machines: list[Machine], target: str | None, *, detail: bool = False) -> int:
    from twentywatts.reports.machines import machine_view, machines_document, machines_view

    if target is not None:
        from twentywatts.reports.output import write_json

        write_json(machines_document(machines), target)
        return 0
    streams.console().print(machine_view(machines[0]) if detail else machines_view(machines))
    return 0


def _check(file: str) -> int:
    from twentywatts.errors import MachineError, clean, counted
    from twentywatts.figures import load_sources
    from twentywatts.machines import load
    from twentywatts.machines.machine import KEYS

    if not file.endswith(".toml"):
        raise MachineError(f"'{file}' is not a machine file: its name must end in .toml")
    machine = load(file)
    print(f"ok: {clean(machine.title)} ({machine.family}), {counted(len(machine.figures), 'figure')}")
    missing = sorted(KEYS[machine.family] - machine.figures.keys())
    if missing:
        print(f"optional figures that it lacks: {', '.join(missing)}")
    cited = {figure.source for figure in machine.figures.values()}
    unlisted = sorted(cited - load_sources().keys() - machine.sources.keys())
    if unlisted:
        print(f"sources neither bundled nor in its [sources], cited by key alone: {', '.join(map(clean, unlisted))}")
    return 0
