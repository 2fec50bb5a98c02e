"""Pages: every link arrives, every page is on the map, every script of the benches is told of."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.repository import PACKAGE, ROOT, name, python_files, text_of, tracked

import twentywatts as tw
from twentywatts.cli import _VERBS

DOCS = ROOT / "docs"
PAGES = sorted(path for path in tracked() if path.suffix == ".md")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield each link to a place in the repository: as written, the file, the anchor."""
    for link in LINK.findall(re.sub(r"`[^`\n]*`", "", FENCED.sub("", text_of(page)))):
        if not re.match(r"[a-z]+:", link):
            target, _, anchor = link.partition("#")
            yield link, (page.parent / target).resolve() if target else page, anchor


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get where it is shown: small letters, hyphens for spaces."""
    heads = re.findall(r"^#+ (.+)$", FENCED.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link, target, anchor in links(page):
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_on_the_map() -> None:
    shown = {target for _, target, _ in links(DOCS / "README.md")} | {DOCS / "README.md"}
    lost = [name(page) for page in PAGES if page.is_relative_to(DOCS) and page not in shown]
    assert lost == []
    assert "docs/README.md" in text_of(ROOT / "README.md")


def test_every_script_of_the_benches_is_told_of() -> None:
    told = text_of(ROOT / "bench" / "README.md")
    scripts = {path.stem for path in python_files() if path.parent == ROOT / "bench"}
    assert [script for script in scripts if not re.search(rf"`{script}(\.py)?`", told)] == []
    assert set(re.findall(r"`(\w+)\.py`", told)) <= scripts


@pytest.mark.parametrize("page", sorted((DOCS / "benchmarks").glob("*.md")), ids=lambda page: page.stem)
def test_a_bench_page_names_the_script_that_prints_it(page: Path) -> None:
    assert f"bench/{page.stem}.py" in text_of(page)
    assert (ROOT / "bench" / f"{page.stem}.py").is_file()


def test_the_reference_names_everything_that_is_public() -> None:
    page = text_of(DOCS / "reference.md")
    words = set(re.findall(r"\w+", page))
    assert {*tw.__all__, *tw.plan.__all__} - words == set()
    assert set(_VERBS) - set(re.findall(r"`([a-z]+)`", page)) == set()
    schemas = {path.name.removesuffix(".schema.json") for path in (PACKAGE / "data" / "schemas").glob("*.json")}
    assert schemas == {name.replace("/", "-") for name in re.findall(r"`twentywatts\.([a-z-]+/\d)`", page)}
    variables = {name for path in PACKAGE.rglob("*.py") for name in re.findall(r"TWENTYWATTS_[A-Z_]+", text_of(path))}
    assert variables - words == set()


def test_the_design_names_the_rooms_in_the_order_of_their_imports() -> None:
    contracts = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    rooms = [[name for name in re.findall(r"\w+", layer) if name not in ("web", "labels")] for layer in layers]
    table = text_of(DOCS / "design.md").partition("| room of")[2].partition("\n\n")[0]
    rows = [set(re.findall(r"`(\w+)`", row.split("|")[1])) for row in table.splitlines()[2:]]
    assert rows == [set(layer) for layer in rooms if layer]
