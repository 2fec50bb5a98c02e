"""A comparison for a paper: a LaTeX table with citations, and a CSV with intervals. No name is trusted."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twentywatts.comparison.text import accuracy_text, metric_text, ratio_text, setting_text
from twentywatts.errors import InputError, clean
from twentywatts.reports.citations import cite_key, latex_text
from twentywatts.reports.members import read_members
from twentywatts.reports.names import names_text
from twentywatts.reports.words import form_text, heading
from twentywatts.units import format_interval

__all__ = ["csv_table", "latex_table", "read_rows"]

Record = Mapping[str, Any]
_SCHEMA = "twentywatts.comparison/"
_MEMBERS = ("schema", "model", "data", "scenario", "rows", "sources")
_MAX_BYTES = 200_000_000
_WANTED = "a comparison, as `twentywatts compare … --json out.json` writes it"
_QUANTITIES = ("energy_j", "latency_s", "ratio")
_COLUMNS = "machine title family form setting role accuracy accuracy_drop keeps_accuracy".split()
_TAIL = "boundary evidence guessed_frac chip_count sources citations".split()
_KEPT = {True: "yes", False: "no", None: "too few samples"}


def read_rows(path: str | Path) -> dict[str, Any]:
    """Return what a table needs of a comparison document; raises InputError that says what is wrong with the file."""
    try:
        document = read_members(Path(path), _MEMBERS, max_bytes=_MAX_BYTES)
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is not valid JSON; wanted is {_WANTED}") from error
    problem = _problem(document)
    if problem:
        raise InputError(f"'{path}' {problem}; wanted is {_WANTED}")
    return document


def _problem(document: Record) -> str:
    """Return what keeps a document from being a comparison, or an empty text."""
    if not str(document.get("schema", "")).startswith(_SCHEMA):
        return "is no comparison"
    tables = all(isinstance(document.get(name), dict) for name in ("model", "data", "scenario", "sources"))
    if not tables or not isinstance(document.get("rows"), list):
        return "lacks rows, model, data, scenario or sources"
    for number, row in enumerate(document["rows"], start=1):
        if not isinstance(row, dict) or not _is_row(row):
            return f"has a row {number} that is not one of a comparison"
    texts = (document["model"].get("name"), document["data"].get("metric"), document["scenario"].get("boundary"))
    return "" if all(isinstance(text, str) for text in texts) else "lacks the model's name, the metric or the boundary"


def _is_row(row: Record) -> bool:
    texts = all(isinstance(row.get(key), str) for key in ("machine", "title", "form", "family", "role", "evidence"))
    quantities = all(isinstance(row.get(key), dict) and _is_quantity(row[key]) for key in _QUANTITIES)
    accuracy = row.get("accuracy")
    sources = row.get("sources")
    return (
        texts
        and quantities
        and isinstance(row.get("setting"), dict)
        and (accuracy is None or _is_number(accuracy))
        and (row.get("keeps_accuracy") is None or isinstance(row["keeps_accuracy"], bool))
        and isinstance(sources, list)
        and all(isinstance(key, str) for key in sources)
    )


def _is_quantity(value: Record) -> bool:
    return all(_is_number(value.get(name)) for name in ("low", "mid", "high"))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def latex_table(document: Record) -> str:
    """Return a table for LaTeX (package booktabs), one line per machine with intervals and citations."""
    metric = document["data"]["metric"]
    head = (
        "Machine",
        "Form",
        heading(metric_text(metric)),
        "Kept",
        "Energy per inference",
        "Against reference",
        "Latency",
    )
    lines = [
        f"% {_comment(document)}",
        "% needs \\usepackage{booktabs}; the keys are those of `twentywatts cite OUT.json --format bibtex`",
        "\\begin{tabular}{llrlllll}",
        "\\toprule",
        " & ".join([*(latex_text(clean(text)) for text in head), "Evidence"]) + " \\\\",
        "\\midrule",
        *(_latex_row(row, metric) for row in document["rows"]),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _comment(document: Record) -> str:
    words = f"{document['model']['name']}: joules per inference with 90 % intervals"
    return clean(f"{words}, boundary {document['scenario']['boundary']}")


def _latex_row(row: Record, metric: str) -> str:
    against = {"reference": "reference", "yardstick": "yardstick"}.get(row["role"], ratio_text(row["ratio"]["mid"]))
    keys = ",".join(cite_key(key) for key in row["sources"])
    cells = [
        f"{_latex(row['title'])}~\\cite{{{keys}}}" if keys else _latex(row["title"]),
        _latex(form_text(row) or "–"),  # with its chips, and what is one array or was never built
        _latex(accuracy_text(row["accuracy"], metric)),
        _latex(_KEPT[row.get("keeps_accuracy")]) if row["role"] == "candidate" else "--",
        _latex(_quantity(row["energy_j"], "J")),
        _latex(against),
        _latex(_quantity(row["latency_s"], "s")),
        _latex(row["evidence"]),
    ]
    return " & ".join(cells) + " \\\\"


def _latex(text: object) -> str:
    """Return a text with what LaTeX reads as a command escaped, and the signs that we print as commands."""
    escaped = latex_text(clean(text))
    for sign, command in {"µ": "$\\mu$", "×": "$\\times$", "–": "--", "≥": "$\\geq$", "≤": "$\\leq$"}.items():
        escaped = escaped.replace(sign, command)
    return escaped


def _quantity(quantity: Record, unit: str) -> str:
    return format_interval(quantity["low"], quantity["mid"], quantity["high"], unit)


def csv_table(document: Record) -> str:
    """Return one line per machine: SI units, low, mid and high of each quantity, keys and citations of its sources."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    wide = [f"{key}_{end}" for key in _QUANTITIES for end in ("low", "mid", "high")]
    writer.writerow([*_COLUMNS, *wide, *_TAIL])
    writer.writerows(_csv_row(row, document["sources"]) for row in document["rows"])
    return stream.getvalue()


def _csv_row(row: Record, sources: Record) -> Sequence[object]:
    values = {**row, "setting": setting_text(row["setting"])}
    values["sources"] = "; ".join(row["sources"])
    values["citations"] = "; ".join(_citation(sources.get(key)) or key for key in row["sources"])
    numbers = [row[key][end] for key in _QUANTITIES for end in ("low", "mid", "high")]
    return [*(_cell(values.get(key)) for key in _COLUMNS), *numbers, *(_cell(values.get(key)) for key in _TAIL)]


def _cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return "" if value is None else value
    text = clean(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _citation(source: object) -> str:
    """Return a source in one line: authors, year, title, and where to find it."""
    if not isinstance(source, dict):
        return ""
    authors = names_text(str(source.get("authors") or ""))
    place = source.get("doi") or source.get("url") or ""
    return clean(f"{authors} ({source.get('year') or 'no year'}), {source.get('title') or ''}, {place}").strip(" ,")
