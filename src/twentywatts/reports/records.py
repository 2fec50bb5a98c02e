"""Citations as plain values: what every JSON document of twentywatts names its sources with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from twentywatts.figures import Source, load_sources
from twentywatts.reports.plain import plain, plain_document

__all__ = ["plain", "plain_document", "source_records"]


def source_records(keys: Iterable[str], *, own: Mapping[str, Source]) -> dict[str, dict[str, Any]]:
    """Return key → citation for each source; one that is neither bundled nor in ``own`` (of a user's file) says so."""
    known = {**own, **load_sources()}
    records = {}
    for key in sorted(set(keys)):
        source = known.get(key) or Source(key=key, kind="unlisted", title=key, authors="", year=0)
        record = asdict(source)
        del record["key"]
        record["year"] = source.year or None
        records[key] = record
    return records
