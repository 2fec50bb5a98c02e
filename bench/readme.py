"""Make the picture and the table of README.md from the result of ``make demo``.

Usage: python bench/readme.py [report.json]; needs Debian's chromium and Playwright.
The table is written between the two marks in README.md; the picture, the report's own chart of the same rows, to
docs/report.png.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from twentywatts.reports.page import comparison_page
from twentywatts.reports.words import evidence_text, form_text, main_causes, ratio_words
from twentywatts.units import format_interval, format_si

ROOT = Path(__file__).resolve().parents[1]
SHOWN = "this-cpu raspberry-pi-4 t4 h100-sxm loihi truenorth odin speck".split()
SHOWN += "isaac hermes neurram dimc-22nm human-brain".split()
MARGIN_PX = 20
MARK = re.compile(r"(<!-- table -->\n).*?(<!-- end -->)", re.DOTALL)
KEEPS = {True: " ✓", False: " ✗", None: " ?"}


def line(row: dict[str, Any]) -> str:
    """Return one row as Markdown."""
    brain = row["accuracy"] is None
    form = "yardstick" if brain else form_text(row)
    mark = KEEPS[row["keeps_accuracy"]] if row["role"] == "candidate" else ""
    accuracy = "–" if brain else f"{100 * row['accuracy']:.1f} %{mark}"
    energy = format_interval(*(row["energy_j"][key] for key in ("low", "mid", "high")), "J")
    ratio = "1" if row["role"] == "reference" else " ".join(ratio_words(row["ratio"])[:1])
    latency = format_si(row["latency_s"]["mid"], "s")
    name = row["machine"] if row["role"] != "reference" else f"**{row['machine']}** (reference)"
    cells = (name, form, accuracy, energy, ratio, latency, main_causes(row)[0], evidence_text(row))
    return f"| {' | '.join(cells)} |"


def table(document: dict[str, Any]) -> str:
    """Return the rows of a document as Markdown, in their order."""
    titles = (
        "machine, form, accuracy, energy of one inference (90 %), × reference, latency, main cause, evidence".split(
            ", "
        )
    )
    head = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    return "\n".join(head + [line(row) for row in document["rows"]]) + "\n"


def picture(document: dict[str, Any], target: Path) -> None:
    """Take a picture of the page's first chart, whole: names, intervals, axis, caption."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(comparison_page(document), encoding="utf-8")
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_page(viewport={"width": 1000, "height": 1290})
        view.goto(page.as_uri())
        view.wait_for_timeout(1500)
        box = view.locator("section").first.bounding_box()
        assert box is not None
        clip = {"x": 0.0, "y": box["y"] - MARGIN_PX, "width": 1000.0, "height": box["height"] + 2 * MARGIN_PX}
        view.screenshot(path=target, full_page=True, clip=clip)
        browser.close()


def main() -> None:
    """Rewrite the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, nargs="?", default=Path("report.json"))
    document = json.loads(parser.parse_args().report.read_text())
    document["rows"] = [row for row in document["rows"] if row["machine"] in SHOWN]
    document["baselines"] = []
    readme = ROOT / "README.md"
    rows = table(document)
    readme.write_text(MARK.sub(lambda found: found[1] + rows + found[2], readme.read_text()))
    picture(document, ROOT / "docs" / "report.png")


if __name__ == "__main__":
    main()
