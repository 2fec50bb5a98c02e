"""``twentywatts cite``: the sources behind a result, ready for a bibliography."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb and return its parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "cite", help="print the sources of a result as BibTeX", description="Print the sources behind a JSON result."
    )
    parser.add_argument("document", metavar="OUT.json", help="a file that --json wrote")
    parser.add_argument("--format", choices=["bibtex"], default="bibtex", help="default: bibtex")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the bibliography and return the exit code; raises InputError where the file is no such document."""
    from twentywatts.reports.citations import bibtex, read_document
    from twentywatts.reports.output import write_text

    write_text(bibtex(read_document(args.document)), "-")
    return 0
