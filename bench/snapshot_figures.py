"""Write tests/golden/figures.json and the list of guesses in docs/method/figures-unverified.md.

    python bench/snapshot_figures.py

Run it after a figure has changed; the difference that git shows is what a reviewer looks at.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from twentywatts.figures import Figure, load_figures
from twentywatts.machines.catalog import parse
from twentywatts.units import format_interval

ROOT = Path(__file__).parents[1]
MACHINES = ROOT / "src" / "twentywatts" / "machines" / "data"
SNAPSHOT = ROOT / "tests" / "golden" / "figures.json"
UNVERIFIED = ROOT / "docs" / "method" / "figures-unverified.md"
START = "<!-- guesses: written by bench/snapshot_figures.py; do not edit below -->\n"
TABLES = ("boundaries", "crossbar_laws", "shortcuts", "serving", "zeros")

Catalogue = Mapping[str, Mapping[str, Figure]]


def catalogue() -> Catalogue:
    """Return machine or table → key → figure, for every bundled file that holds figures."""
    found: dict[str, Mapping[str, Figure]] = {}
    for path in sorted(MACHINES.rglob("*.toml")):
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        tables.pop("detection", None)  # the generic processor's file also says how this-cpu is detected
        found[path.stem] = parse(tables, origin="bundled").figures
    return {**found, **{name: load_figures(name) for name in TABLES}}


def snapshot(figures: Catalogue) -> str:
    """Return one line of JSON per figure, numbers in SI units with nine digits."""
    lines = [f'  "{name}.{key}": {_record(found)}' for name, group in figures.items() for key, found in group.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _record(figure: Figure) -> str:
    record = {name: value for name, value in asdict(figure).items() if name != "key" and value != ""}
    numbers = {name: float(f"{record[name]:.9g}") for name in ("value", "low", "high")}
    return json.dumps({**record, **numbers}, ensure_ascii=False)


def guesses(figures: Catalogue) -> str:
    """Return one line of Markdown per figure of grade guess."""
    lines = [
        f"- `{name}.{key}`: {_text(figure)}; {figure.where} ({figure.condition})"
        for name, group in figures.items()
        for key, figure in group.items()
        if figure.grade == "guess"
    ]
    return "\n".join(lines) + "\n"


def _text(figure: Figure) -> str:
    if figure.unit in ("1", "bit", "nm", "1/s"):
        unit = "" if figure.unit == "1" else f" {figure.unit}"
        return f"{figure.value:,.6g}{unit} ({figure.low:,.6g}–{figure.high:,.6g})"
    return format_interval(figure.low, figure.value, figure.high, figure.unit)


def unverified(text: str, figures: Catalogue) -> str:
    """Return the page with its list of guesses brought up to date; what stands above the mark stays."""
    return text.partition(START)[0] + START + "\n" + guesses(figures)


def main() -> None:
    """Write both files."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    figures = catalogue()
    SNAPSHOT.write_text(snapshot(figures), encoding="utf-8")
    page = UNVERIFIED.read_text(encoding="utf-8")
    UNVERIFIED.write_text(unverified(page, figures), encoding="utf-8")


if __name__ == "__main__":
    main()
