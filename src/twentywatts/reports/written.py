"""What a result writes of itself from Python: the same page and document as its verb with ``--html`` and ``--json``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from twentywatts.reports.output import check_writable, write_json, write_text

__all__ = ["write_report"]

# class of the result: what makes its document, what makes a page of that
_MAKERS = {
    "Comparison": ("document:comparison_document", "page:comparison_page"),
    "Estimation": ("estimate_document:estimation_document", "estimate_page:estimation_page"),
    "Plan": ("plan:plan_document", "plan_page:plan_page"),
    "Slimmed": ("slim_document:slim_document", "slim_page:slim_page"),
}


def write_report(result: Any, path: str | Path) -> None:
    """Write the page of a result, or its document where the name ends in .json.

    Raises InputError where the file cannot be written, MissingExtraError for a page without plotly.
    """
    check_writable(path)
    document_of, page_of = map(_named, _MAKERS[type(result).__name__])
    document = document_of(result)
    if str(path).lower().endswith(".json"):
        write_json(document, path)
    else:
        write_text(page_of(document), path)


def _named(maker: str) -> Any:
    module, name = maker.split(":")
    return getattr(import_module(f"twentywatts.reports.{module}"), name)
