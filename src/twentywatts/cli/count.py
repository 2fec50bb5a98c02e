"""twentywatts count: the work of a model, nothing run."""

from __future__ import annotations

import argparse

from twentywatts.cli.arguments import add_model_arguments, axes_of, model_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "count",
        help="count the operations and bytes of a model",
        description="Count multiply-accumulates, other operations, weights and activations of an ONNX or .pt2 model.",
    )
    add_model_arguments(parser)
    parser.add_argument("--json", metavar="FILE", help="write schema twentywatts.count/1 to FILE, '-' for the terminal")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the counts as a table, or as JSON; returns the exit code. Raises InputError for what cannot be used."""
    from twentywatts.cli.progress import Progress
    from twentywatts.counting import count
    from twentywatts.reports import check_writable, write_json

    if args.json is not None:
        check_writable(args.json, keep=model_files(args))
    progress = Progress("reading and counting")
    try:
        counts = count(args.model, batch=args.batch, axes=axes_of(args))
    finally:
        progress.close()
    if args.json is None:
        from twentywatts.cli import streams
        from twentywatts.reports.count import counts_view

        streams.console().print(counts_view(counts))
    else:
        write_json(counts.as_document(), args.json)
    return 0
