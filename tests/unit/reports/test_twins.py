"""The dense twin is told in the table, on the page and in the document."""

from __future__ import annotations

import io

from rich.console import Console
from tests.support.example_comparison import example_comparison

from twentywatts.reports.document import comparison_document
from twentywatts.reports.page import comparison_page
from twentywatts.reports.table import comparison_view
from twentywatts.reports.twins import twin_sentence, twin_sentences


def test_a_spiking_row_says_what_its_spikes_cost_against_a_few_bits() -> None:
    document = comparison_document(example_comparison())
    (sentence,) = twin_sentences(document)
    assert sentence.startswith("fake-spikes: as a dense network of 3-bit activations, run once: 97.9 % ✓, ")
    assert sentence.endswith("the spikes cost 1.5× more (1.2–1.9×)")
    console = Console(file=io.StringIO(), width=200)
    console.print(comparison_view(document))
    assert sentence in console.file.getvalue()  # type: ignore[attr-defined]
    row = next(row for row in document["rows"] if row["twin"])
    assert twin_sentence(row, "accuracy") in comparison_page(document)
    assert row["twin"]["bits"] == 3
