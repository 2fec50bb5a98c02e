"""Counts: the work of one batch, layer by layer, and what could not be counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from twentywatts.errors import clean, counted
from twentywatts.units import format_si

__all__ = ["Counts", "LayerCount", "UnknownLayer", "WeightUse", "busiest", "cells", "remarks", "title"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightUse:
    """A stored constant that a layer uses: all its elements, and the bytes of it that one run reads."""

    name: str
    element_count: int
    read_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCount:
    """The work of one layer for one batch.

    mac_count: multiply-accumulates. op_count: other arithmetic operations. input_bytes, output_bytes: activations
    read and written. mac_bits: width of the multiplied operands, 0 where there are none. inputs, outputs: names of
    the activations, so that neighbours can be found.
    """

    name: str
    op: str
    mac_count: int = 0
    op_count: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    mac_bits: int = 0
    weights: tuple[WeightUse, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def parameter_count(self) -> int:
        """Stored constants that the layer uses [elements]."""
        return sum(use.element_count for use in self.weights)

    @property
    def weight_bytes(self) -> int:
        """Bytes of stored constants that one run reads, at their stored precision."""
        return sum(use.read_bytes for use in self.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownLayer:
    """A layer that could not be counted, and why; its constants are known all the same."""

    name: str
    op: str
    reason: str
    weights: tuple[WeightUse, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The work of one batch of a model.

    batch: inferences counted. runs: how often the model must run for them, above 1 where its file fixes a smaller
    batch; arithmetic and activations are those of all runs, weights are counted once.
    """

    model: str
    batch: int
    runs: int
    layers: tuple[LayerCount, ...]
    unknown: tuple[UnknownLayer, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mac_count(self) -> int:
        """Multiply-accumulates of one batch."""
        return sum(layer.mac_count for layer in self.layers)

    @property
    def op_count(self) -> int:
        """Other arithmetic operations of one batch."""
        return sum(layer.op_count for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Activations read and written by all layers, one tensor once for each layer that reads it."""
        return sum(layer.input_bytes + layer.output_bytes for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of distinct constants that a run reads; one that two layers share counts once."""
        return sum(use.read_bytes for use in self._distinct())

    @property
    def parameter_count(self) -> int:
        """Elements of distinct constants, those of unknown layers among them."""
        return sum(use.element_count for use in self._distinct())

    @property
    def unknown_node_frac(self) -> float:
        """Share of layers that could not be counted."""
        total = len(self.layers) + len(self.unknown)
        return len(self.unknown) / total if total else 0.0

    def _distinct(self) -> Iterable[WeightUse]:
        uses: dict[str, WeightUse] = {}
        every = [*(layer.weights for layer in self.layers), *(layer.weights for layer in self.unknown)]
        for use in chain.from_iterable(every):
            if use.name not in uses or use.read_bytes > uses[use.name].read_bytes:
                uses[use.name] = use
        return uses.values()

    def as_document(self) -> dict[str, Any]:
        """Return the document of schema ``twentywatts.count/1``."""
        return {
            "schema": "twentywatts.count/1",
            "model": self.model,
            "batch": self.batch,
            "runs": self.runs,
            "totals": {
                "mac_count": self.mac_count,
                "op_count": self.op_count,
                "parameter_count": self.parameter_count,
                "weight_bytes": self.weight_bytes,
                "activation_bytes": self.activation_bytes,
            },
            "unknown_node_frac": self.unknown_node_frac,
            "layers": [_layer_document(layer) for layer in self.layers],
            "unknown": [{"name": u.name, "op": u.op, "reason": u.reason} for u in self.unknown],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """Return a plain-text table: the layers with most work, totals, and what is not covered."""
        return "\n".join(clean(line) for line in _lines(self))


def _layer_document(layer: LayerCount) -> dict[str, Any]:
    keys = "name op mac_count op_count parameter_count weight_bytes input_bytes output_bytes mac_bits".split()
    return {key: getattr(layer, key) for key in keys}


SHOWN_COUNT = 12  # layers in a table


def busiest(counts: Counts) -> list[LayerCount]:
    """Return the layers with most work, in the order of the model."""
    working = [x for x in counts.layers if x.mac_count or x.op_count or x.input_bytes or x.output_bytes]
    top = sorted(working, key=lambda x: (x.mac_count, x.op_count, x.output_bytes), reverse=True)[:SHOWN_COUNT]
    shown = {layer.name for layer in top}
    return [layer for layer in counts.layers if layer.name in shown]


def cells(work: LayerCount | Counts) -> tuple[str, str, str, str]:
    """Return MACs, other operations, weights and activations as a person reads them."""
    activations = work.activation_bytes if isinstance(work, Counts) else work.input_bytes + work.output_bytes
    numbers = [format_si(value, "").strip() for value in (work.mac_count, work.op_count)]
    return numbers[0], numbers[1], format_si(work.weight_bytes, "B"), format_si(activations, "B")


def title(counts: Counts) -> str:
    """Return what was counted: ``digits.onnx, batch 8 in 2 runs: 14 layers``."""
    runs = f" in {counts.runs} runs" if counts.runs > 1 else ""
    return f"{counts.model}, batch {counts.batch}{runs}: {counted(len(counts.layers), 'layer')}"


def remarks(counts: Counts) -> list[str]:
    """Return what the table does not show: layers with little work, those not counted, notes."""
    lines = []
    rest = len(counts.layers) - len(busiest(counts))
    if rest:
        lines.append(f"… and {counted(rest, 'layer')} with less work or none")
    if counts.unknown:
        some = counted(len(counts.unknown), "layer")
        lines.append(f"not counted: {some} ({100 * counts.unknown_node_frac:.1f} % of all)")
        lines += [f"  {u.name} ({u.op}): {u.reason}" for u in counts.unknown[:SHOWN_COUNT]]
        if len(counts.unknown) > SHOWN_COUNT:
            lines.append(f"  … and {len(counts.unknown) - SHOWN_COUNT} more")
    return lines + [f"note: {note}" for note in counts.notes]


def _lines(counts: Counts) -> list[str]:
    """Return plain text of at most 80 columns where names allow it."""
    rows = [(layer.name[-22:], layer.op[:14], *cells(layer)) for layer in busiest(counts)]
    table = [("layer", "operator", "MAC", "other op", "weights", "activations"), *rows, ("total", "", *cells(counts))]
    widths = [max(len(row[column]) for row in table) for column in range(6)]
    lines = [title(counts)]
    for row in table:
        names = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
        numbers = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
        lines.append(f"  {'  '.join([*names, *numbers])}")
    return lines + [f"  {line}" for line in remarks(counts)]
