import dataclasses
import re
from html.parser import HTMLParser

import pytest
from tests.support.example_comparison import example_comparison

from twentywatts.ledger import Entry
from twentywatts.reports.charts import accuracy_chart, cause_chart, energy_chart
from twentywatts.reports.document import comparison_document
from twentywatts.reports.html import link, table, tag
from twentywatts.reports.page import comparison_page
from twentywatts.reports.words import interval_text

pytest.importorskip("plotly")
HOSTILE = "<script>window.hacked=1</script>"


class Reader(HTMLParser):
    """Collects elements, ids, links and the texts outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.skipping = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.skipping = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.skipping = False

    def handle_data(self, data: str) -> None:
        if not self.skipping:
            self.words.append(data)

    def every(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.elements if attribute in attributes]


def hostile_comparison():
    comparison = example_comparison(model_name=f"{HOSTILE}.onnx")

    def renamed(entry: Entry) -> Entry:
        return dataclasses.replace(entry, part=f"{HOSTILE}</script><img src=x onerror=hack()>{entry.part}")

    rows = []
    for row in comparison.rows:
        ledger = dataclasses.replace(row.ledger, entries=tuple(map(renamed, row.ledger.entries)), notes=(HOSTILE,))
        name = f"<b onmouseover=hack()>{row.machine}"
        rows.append(dataclasses.replace(row, ledger=ledger, machine=name, title=HOSTILE, setting={HOSTILE: HOSTILE}))
    run = {"command": HOSTILE, "twentywatts": HOSTILE}
    model = dataclasses.replace(comparison.model, unknown=(HOSTILE,))
    return dataclasses.replace(comparison, rows=tuple(rows), model=model, run=run)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


@pytest.fixture(scope="module")
def document():
    return comparison_document(example_comparison())


@pytest.fixture(scope="module")
def page(document):
    return read(comparison_page(document))


def test_the_page_loads_nothing(page):
    assert page.every("src") == []
    assert not [name for name, _ in page.elements if name in ("link", "iframe", "object", "base", "form")]
    assert all(address.startswith(("https://", "#")) for address in page.every("href"))
    policy = next(a["content"] or "" for n, a in page.elements if n == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy
    assert "unsafe-eval" not in policy


def test_tables_carry_every_number_without_javascript(page, document):
    text = "".join(page.words).replace("\u00a0", " ")
    for row in document["rows"]:
        assert row["title"] in text
        for item in (*row["layers"], *row["causes"], row):
            assert interval_text(item["energy_j"], "J") in text
    for source in document["sources"].values():
        assert source["title"] in text
    assert "twentywatts compare digits.onnx --data digits.npz" in text
    assert "no energy per event is published" in text


def test_ids_are_unique_and_every_anchor_arrives(page):
    ids = page.every("id")
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in page.every("href") if address.startswith("#")} <= set(ids)


def test_the_page_is_well_outlined(page):
    names = [name for name, _ in page.elements]
    assert names.count("h1") == 1
    assert names.count("table") == names.count("caption") > 0
    assert all(a.get("aria-label") for n, a in page.elements if a.get("role") == "img")
    assert ("html", {"lang": "en"}) in page.elements


def test_names_from_a_model_stay_texts():
    html = comparison_page(comparison_document(hostile_comparison()))
    reader = read(html)
    scripts = [attributes for name, attributes in reader.elements if name == "script"]
    assert len(scripts) == 2 + 3  # the library, the page's own, and the data of three charts
    assert not [name for name, _ in reader.elements if name in ("img", "b")]
    assert not [a for _, a in reader.elements if any(key.startswith("on") for key in a)]
    assert HOSTILE in "".join(reader.words)


def test_names_in_charts_are_escaped_for_plotly():
    document = comparison_document(hostile_comparison())
    for chart in (energy_chart(document), accuracy_chart(document), cause_chart(document)):
        assert not re.search(r"<(?!br>|extra>|/extra>)", str(chart))


def test_a_link_goes_to_the_web_only():
    assert "href" not in link("x", "javascript:alert(1)")
    assert link("x", "https://a.b/?c=1&d") == '<a href="https://a.b/?c=1&amp;d" rel="noreferrer">x</a>'


def test_elements_escape_texts_and_attributes():
    assert tag("p", "<&>", title='"<', hidden=True, lang=None) == '<p title="&quot;&lt;" hidden>&lt;&amp;&gt;</p>'
    assert '<td data-label="B" role="cell">2</td>' in table("c", ["A", "B"], [("1", "2")])


@pytest.mark.parametrize("accuracy", [0.0, 1.0, 0.5])
def test_charts_stand_equal_accuracies_and_an_error_as_metric(document, accuracy):
    rows = [{**row, "accuracy": None if row["accuracy"] is None else accuracy} for row in document["rows"]]
    for metric in ("accuracy", "mean-error"):
        chart = accuracy_chart({**document, "rows": rows, "data": {**document["data"], "metric": metric}})
        low, high = chart["layout"]["yaxis"]["range"]
        assert low < accuracy < high
        assert len(chart["layout"]["yaxis"]["tickvals"]) >= 1


def test_a_table_without_baselines_refusals_and_candidates_still_makes_a_page():
    comparison = example_comparison()
    bare = dataclasses.replace(comparison, rows=comparison.rows[:1], baselines=(), refused=(), notes=(), run={})
    assert "No machine was left" in comparison_page(comparison_document(bare))


def test_what_to_know_and_what_is_left_out_are_two_sections() -> None:
    pytest.importorskip("plotly")
    document = {**comparison_document(example_comparison()), "notes": ["a note"], "not_covered": ["the fans"]}
    page = comparison_page(document)
    know, left_out = page.index("<h2>What to know</h2>"), page.index("<h2>What this does not cover</h2>")
    assert know < page.index("a note") < left_out < page.index("the fans")
    assert "<h2>What to know</h2>" not in comparison_page({**document, "notes": []})
