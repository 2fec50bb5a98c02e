"""``twentywatts review``: a paper's table of spike energies, checked."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "review",
        help="check a paper's table: what 0.9 pJ per spike left out, and the honest figure beside it",
        description="Read a table (model, timesteps, spike_rate, macs, sops, energy (mJ), ann_energy (mJ), ...), tell "
        "how its joules came about and what they leave out, and recompute them with memory and int8 for both.",
    )
    parser.add_argument(
        "table", metavar="TABLE.csv", help="the paper's table; docs/how/review-a-paper.md has the columns"
    )
    parser.add_argument("--html", metavar="FILE", help="write one self-contained page")
    parser.add_argument("--json", metavar="FILE", help="write twentywatts.review/1, '-' for standard output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Review, print, write the reports; return the exit code. Raises InputError naming line and column."""
    from twentywatts.claims.review import review_table
    from twentywatts.cli.circumstances import circumstances
    from twentywatts.reports.output import check_reports, write_json, write_text
    from twentywatts.reports.review import review_document

    check_reports(args.json, args.html, keep=[args.table])
    document = review_document(review_table(args.table), run=circumstances())
    if args.json is not None:
        write_json(document, args.json)
    if args.html is not None:
        from twentywatts.reports.review_page import review_page

        write_text(review_page(document), args.html)
    if "-" not in (args.json, args.html):
        _print(document)
    return 0


def _print(document: dict[str, Any]) -> None:
    from twentywatts.cli import streams
    from twentywatts.reports.review import review_view

    streams.console().print(review_view(document))
