"""``twentywatts audit``: what an article says of the energy of AI, recomputed sentence by sentence."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "audit",
        help="check what an article says of the energy of AI: units, factors, scope, with the corrected sentence",
        description="Read a text or a saved web page (French, Chinese or English), recompute its claims from cited "
        "figures and tell each verdict with the arithmetic. No network; the same text gives the same audit. The exit "
        "code is 0 whatever the verdicts are; 2 where there is nothing to audit, such as an empty file.",
    )
    parser.add_argument("text", nargs="?", metavar="FILE", help="a text or a saved web page; '-' for standard input")
    parser.add_argument("--text", dest="words", metavar="WORDS", help="the text itself")
    parser.add_argument("--html", metavar="FILE", help="write one self-contained page: the text with margin notes")
    parser.add_argument("--json", metavar="FILE", help="write twentywatts.audit/1, '-' for standard output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Audit, print, write the reports; return the exit code. Raises InputError."""
    from twentywatts.claims.audit import audit
    from twentywatts.cli.circumstances import circumstances
    from twentywatts.errors import InputError, clean
    from twentywatts.reports.audit import audit_document
    from twentywatts.reports.output import check_reports, write_json, write_text

    keep = [args.text] if args.text not in (None, "-") else []
    check_reports(args.json, args.html, keep=keep)
    name, text = _given(args)
    if not any(map(str.isalnum, text)):
        raise InputError(f"there is nothing to audit: '{clean(name)}' holds no sentence")
    document = audit_document(audit(text, name=name), run=circumstances())
    if args.json is not None:
        write_json(document, args.json)
    if args.html is not None:
        from twentywatts.reports.audit_page import audit_page

        write_text(audit_page(document, text), args.html)
    if "-" not in (args.json, args.html):
        _print(document)
    return 0


def _given(args: argparse.Namespace) -> tuple[str, str]:
    """Return the name and the text that were given; raises InputError unless it is exactly one."""
    import sys
    from pathlib import Path

    from twentywatts.claims.reading import MAX_BYTES, read_text_file, text_of_bytes
    from twentywatts.errors import InputError

    if (args.text is None) == (args.words is None):
        raise InputError("give one text: a file, '-' for standard input, or --text \"…\"")
    if args.words is not None:
        return "text", args.words
    if args.text != "-":
        return Path(args.text).name, read_text_file(args.text)
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise InputError("standard input is closed: name a file, or give --text")
    return "standard input", text_of_bytes(stream.read(MAX_BYTES + 1), name="standard input")


def _print(document: dict[str, Any]) -> None:
    from twentywatts.cli import streams
    from twentywatts.reports.audit import audit_view

    streams.console().print(audit_view(document))
