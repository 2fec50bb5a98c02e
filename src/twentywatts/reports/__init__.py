"""Reports: what the rooms below return, rendered. Nothing is computed here.

The names are loaded when they are used: listing machines must not load what runs a model.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.reports.document import comparison_document
    from twentywatts.reports.output import check_reports, check_writable, write_json, write_text

__all__ = ["check_reports", "check_writable", "comparison_document", "write_json", "write_text"]

_ROOMS = {"comparison_document": "document"} | dict.fromkeys(
    ("check_reports", "check_writable", "write_json", "write_text"), "output"
)


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _ROOMS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
