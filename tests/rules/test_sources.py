"""Sources: every key that is cited resolves, every source is cited, and no document stands there twice."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.repository import PACKAGE, name, offenders

from twentywatts.figures import load_sources

TABLES = sorted(path for path in PACKAGE.rglob("*.toml") if path.name != "sources.toml")
ROWS = sorted(PACKAGE.rglob("*.csv"))


def _cited(value: Any) -> Iterator[str]:
    """Yield every source key in a parsed TOML file: source, *_source (texts) and sources (lists)."""
    if isinstance(value, list):
        for item in value:
            yield from _cited(item)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if isinstance(item, str) and _is_key(key):
            yield item
        elif key == "sources" and isinstance(item, list):
            yield from item
        else:
            yield from _cited(item)


def _is_key(column: str) -> bool:
    return column == "source" or column.endswith("_source")


def _cited_by(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        return set(_cited(tomllib.loads(text)))
    rows = csv.DictReader(text.splitlines())
    return {row[column] for row in rows for column in row if _is_key(column) and row[column]}


def test_every_key_that_is_cited_resolves() -> None:
    assert not offenders([*TABLES, *ROWS], lambda path: _cited_by(path) - load_sources().keys())


def test_every_source_is_cited() -> None:
    cited = set().union(*(_cited_by(path) for path in [*TABLES, *ROWS]))
    assert not load_sources().keys() - cited


def test_no_document_stands_there_twice() -> None:
    sources = load_sources().values()
    found = [(source.title.lower(), source.doi) for source in sources]
    assert len(set(found)) == len(found)
    papers = [source.url for source in sources if "arxiv.org" in source.url]
    assert len(set(papers)) == len(papers)


def test_the_tables_are_there() -> None:
    assert len(TABLES) > 20
    assert ROWS
    assert any(_cited_by(path) for path in ROWS)


def test_every_row_of_a_table_has_a_source() -> None:
    for path in ROWS:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        assert rows, name(path)
        for row in rows:
            assert None not in row, f"{name(path)}: a row has too many cells: {row}"
            assert all(value is not None for value in row.values()), f"{name(path)}: a row is too short: {row}"
            assert any(row[column] for column in row if _is_key(column)), f"{name(path)}: {row}"
