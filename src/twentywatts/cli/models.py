"""``twentywatts models``: the language, image and video models that ship, for ``estimate``."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "models",
        help="list the language, image and video models that estimate knows by name",
        description="List the models that ship with their sizes, for `estimate` and `plan serving --model`.",
    )
    parser.add_argument("word", nargs="?", default="", metavar="WORD", help="only those whose name holds this word")
    json_help = "write twentywatts.models/1 to a file, '-' for standard output, instead of the table"
    parser.add_argument("--json", metavar="FILE", help=json_help)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List; return the exit code. Raises InputError where no model has the word."""
    from twentywatts.estimation.catalog import bundled_models
    from twentywatts.reports.models import models_document, models_view
    from twentywatts.reports.output import check_writable, write_json

    if args.json is not None:
        check_writable(args.json)
    found = bundled_models(args.word)
    if args.json is not None:
        write_json(models_document(found), args.json)
    else:
        from twentywatts.cli import streams

        streams.console().print(models_view(found))
    return 0
