"""Counts: the work of one batch, layer by layer, and what could not be counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from twentywatts.errors import clean
from twentywatts.units import format_si

__all__ = ["Counts", "LayerCount", "UnknownLayer", "WeightUse"]


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


_SHOWN = 12


def _lines(counts: Counts) -> list[str]:
    runs = f" in {counts.runs} runs" if counts.runs > 1 else ""
    lines = [f"{counts.model}, batch {counts.batch}{runs}: {len(counts.layers)} layers"]
    lines.append(f"  {'layer':40} {'operator':22} {'MAC':>9} {'other op':>9} {'weights':>9} {'activations':>11}")
    working = [x for x in counts.layers if x.mac_count or x.op_count or x.input_bytes or x.output_bytes]
    top = sorted(working, key=lambda x: (x.mac_count, x.op_count, x.output_bytes), reverse=True)[:_SHOWN]
    shown = {layer.name for layer in top}
    lines += [_row(layer.name, layer.op, layer) for layer in counts.layers if layer.name in shown]
    if len(counts.layers) > len(top):
        lines.append(f"  … and {len(counts.layers) - len(top)} layers with less work or none")
    lines.append(_row("total", "", counts))
    if counts.unknown:
        lines.append(f"  not counted: {len(counts.unknown)} layers ({100 * counts.unknown_node_frac:.1f} % of all)")
        lines += [f"    {u.name} ({u.op}): {u.reason}" for u in counts.unknown[:_SHOWN]]
        if len(counts.unknown) > _SHOWN:
            lines.append(f"    … and {len(counts.unknown) - _SHOWN} more")
    return lines + [f"  note: {note}" for note in counts.notes]


def _row(name: str, op: str, work: LayerCount | Counts) -> str:
    activations = work.activation_bytes if isinstance(work, Counts) else work.input_bytes + work.output_bytes
    numbers = [format_si(value, "").strip() for value in (work.mac_count, work.op_count)]
    sizes = [format_si(value, "B") for value in (work.weight_bytes, activations)]
    return f"  {name[-40:]:40} {op[:22]:22} {numbers[0]:>9} {numbers[1]:>9} {sizes[0]:>9} {sizes[1]:>11}"
