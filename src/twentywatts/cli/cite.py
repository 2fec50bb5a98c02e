"""``twentywatts cite``: a result for a paper: its sources as BibTeX, its rows as LaTeX or CSV."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb and return its parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "cite",
        help="print a result for a paper: its sources as BibTeX, its rows as LaTeX or CSV",
        description="Print the sources behind a JSON result, or the rows of a comparison with intervals and citations.",
    )
    parser.add_argument("document", metavar="OUT.json", help="a file that --json wrote")
    choices = ["bibtex", "latex", "csv"]
    parser.add_argument("--format", choices=choices, default="bibtex", help="default: bibtex; rows: latex, csv")
    parser.add_argument("--out", metavar="FILE", default="-", help="write to a file instead of standard output")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print or write what was asked for; return the exit code. Raises InputError where the file is no such document."""
    from twentywatts.reports.output import check_writable, write_text

    check_writable(args.out, keep=[args.document])
    write_text(_text(args.document, args.format), args.out)
    return 0


def _text(document: str, kind: str) -> str:
    if kind == "bibtex":
        from twentywatts.reports.citations import bibtex, read_document

        return bibtex(read_document(document))
    from twentywatts.reports.paper import csv_table, latex_table, read_rows

    return (latex_table if kind == "latex" else csv_table)(read_rows(document))
