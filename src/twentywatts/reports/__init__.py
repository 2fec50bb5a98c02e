"""Reports: what the rooms below return, rendered. Nothing is computed here."""

from twentywatts.reports.document import comparison_document
from twentywatts.reports.output import check_writable, write_json, write_text

__all__ = ["check_writable", "comparison_document", "write_json", "write_text"]
