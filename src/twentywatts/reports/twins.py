"""The dense twin of a spiking row in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.comparison.text import accuracy_mark, accuracy_text
from twentywatts.errors import clean
from twentywatts.reports.words import interval_text, ratio_words

__all__ = ["twin_sentence", "twin_sentences"]

Record = Mapping[str, Any]


def twin_sentences(document: Record) -> list[str]:
    """Return a sentence for each spiking row: what the same weights cost on that chip without spikes."""
    metric = document["data"]["metric"]
    return [f"{clean(row['machine'])}: {twin_sentence(row, metric)}" for row in document["rows"] if row["twin"]]


def twin_sentence(row: Record, metric: str) -> str:
    """Return what the dense twin of a spiking row reaches and costs, and what its spikes cost against that."""
    twin = row["twin"]
    words, bounds = ratio_words(twin["ratio"])
    against = f"{words} ({bounds})" if bounds else words
    reached = f"{accuracy_text(twin['accuracy'], metric)} {accuracy_mark(twin['keeps_accuracy'])}"
    return (
        f"as a dense network of {twin['bits']}-bit activations, run once: {reached}, "
        f"{interval_text(twin['energy_j'], 'J')}; the spikes cost {against}"
    )
