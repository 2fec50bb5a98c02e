"""A language model as the subject of an estimation."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import numpy as np

from twentywatts.architecture import Architecture
from twentywatts.counting.decoder import cache_bytes_per_token, decoder_workload, weight_bytes
from twentywatts.counting.parameters import active_parameter_count, parameter_count
from twentywatts.counting.precision import Precision, precision_of
from twentywatts.counting.use import DecoderUse, Speculation
from twentywatts.errors import InputError, ModelError, RefusedError, counted
from twentywatts.estimation.guesses import guessed, was_measured
from twentywatts.estimation.places import Place
from twentywatts.estimation.request import Asked, Request, request_of
from twentywatts.estimation.result import EstimationRow, ModelCard
from twentywatts.estimation.subject import Subject, row_of, with_batch
from twentywatts.figures import Figure, load_figures
from twentywatts.price import price
from twentywatts.price.decoder import decoder_price
from twentywatts.price.decoder_work import rates_of
from twentywatts.readers.architectures import load_architecture
from twentywatts.scenario import Scenario
from twentywatts.units import format_si
from twentywatts.workload_decoder import DecoderWorkload, Parallelism

__all__ = ["card_of", "chips_needed", "language_model", "speculation_of"]

_FULL_BITS = 16
_MOST_CHIPS = 4096
_LADDER = 4  # batches between a lone user and a full server grow by this factor


@cache
def _figures() -> dict[str, Figure]:
    return load_figures("serving")


def language_model(model: str | Path, asked: Asked, *, precision: str = "", cache: str = "") -> Subject:
    """Return a language model and one request to it; raises ModelError and InputError for what cannot be used.

    precision: of the weights, as published where empty. cache: of keys and values, 16 bits where empty.
    """
    architecture = _architecture(model)
    if cache and not architecture.main.causal:
        raise InputError(f"'{architecture.name}' only reads: it keeps no keys and values, so that --cache says nothing")
    held = precision_of(architecture, precision, cache_name=cache)
    request = request_of(architecture, asked)
    served = _Served(architecture, held, request)
    return Subject(
        model=card_of(architecture, held),
        use=request.use,
        what=request.what,
        batches=served.batches,
        row=served.row,
        notes=(*architecture.notes, *request.notes, *_precision_notes(held)),
    )


def _precision_notes(held: Precision) -> tuple[str, ...]:
    if was_measured(held):
        return ()
    cache = f" and a cache of {held.cache_bits:.3g} bits" if held.cache_bits < _FULL_BITS else ""
    return (
        f"no measured run has weights in {held.name}{cache}: a guess, whose interval is as much wider as on a chip "
        "that was never seen",
    )


@cache
def _undisclosed() -> dict[str, str]:
    """Return how the names of models begin whose maker publishes no sizes, and the maker."""
    path = files("twentywatts") / "data" / "undisclosed.toml"
    makers: dict[str, list[str]] = tomllib.loads(path.read_text(encoding="utf-8"))["makers"]
    return {start: maker for maker, starts in makers.items() for start in starts}


def speculation_of(draft: str | Path, draft_tokens: int, accepted_frac: float) -> Speculation:
    """Return a draft that writes ahead; raises ModelError for its name and InputError for its numbers."""
    return Speculation(draft_tokens=draft_tokens, acceptance_frac=accepted_frac, draft=_architecture(draft))


def _architecture(model: str | Path) -> Architecture:
    """Return the architecture of a model; of one that nobody published, the ModelError says so."""
    try:
        return load_architecture(model)
    except ModelError:
        name = str(model).rpartition("/")[2].lower()
        maker = next((maker for start, maker in _undisclosed().items() if name.startswith(start)), "")
        if not maker or Path(model).exists():
            raise
        way = "take an open model of the size that you have in mind, such as deepseek-v3"
        raise ModelError(f"{maker} publishes no sizes of '{model}', so that nothing can be counted; {way}") from None


def card_of(architecture: Architecture, held: Precision) -> ModelCard:
    """Return what a language model is, its weights held at a precision."""
    return ModelCard(
        name=architecture.name,
        title=architecture.title,
        kind="language model",
        precision=held.name,
        parameter_count=float(parameter_count(architecture)),
        active_parameter_count=float(active_parameter_count(architecture, tables=architecture.active_tables)),
        weight_bytes=weight_bytes(architecture, held),
        cache_bytes_per_token=cache_bytes_per_token(architecture, held),
        sources=architecture.sources,
    )


class _Served:
    """A model that is asked one kind of request, wherever it is served."""

    def __init__(self, architecture: Architecture, precision: Precision, request: Request) -> None:
        self.architecture, self.precision, self.request = architecture, precision, request

    @property
    def _read_by(self) -> Architecture:
        """The architecture without towers that the request does not meet: an image is nothing to hear."""
        if not self.request.images:
            return self.architecture
        towers = tuple(tower for tower in self.architecture.towers if tower.kind != "audio")
        return replace(self.architecture, towers=towers)

    def workload(self, batch: Any, chips: int) -> DecoderWorkload:
        """Return the workload of a batch (or an array of them) on so many chips."""
        spread = chips if self.architecture.is_routed else 1
        asked = self.request
        use = DecoderUse(
            batch=batch,
            prompt_tokens=asked.seen_tokens,
            output_tokens=asked.output_tokens,
            inputs=asked.images,
            cached_prompt_frac=asked.cached_frac,
            speculation=asked.speculation,
        )
        parallelism = Parallelism(tensor=chips, expert=spread)
        found = decoder_workload(self._read_by, use, precision=self.precision, parallelism=parallelism)
        idle = weight_bytes(self.architecture, self.precision) - weight_bytes(self._read_by, self.precision)
        return replace(found, weight_bytes=found.weight_bytes + idle)

    def batches(self, place: Place) -> tuple[int, ...]:
        """Return batches from a lone user to a full server: as many as fit the memory, or as a server lets in."""
        most = int(_figures()["full_server_batch_count"].value)
        sizes = 2 ** np.arange(most.bit_length())
        held = self.workload(sizes.astype(float), place.chip_count).resident_bytes <= _room_bytes(place)
        if not held[0]:
            self.check(place, 1)
        full = int(sizes[held].max())
        return tuple(sorted({*(int(size) for size in sizes[:: int(np.log2(_LADDER))] if size < full), full}))

    def check(self, place: Place, batch: int) -> None:
        """Raise RefusedError with the chips that it takes, where the model and its cache do not fit."""
        needed = float(np.max(self.workload(batch, place.chip_count).resident_bytes))
        room = _room_bytes(place)
        if needed <= room:
            return
        chips = chips_needed(self, place, batch)
        base = place.name if place.chip_count == 1 else place.name.rpartition("x")[0]
        way = f"it takes {counted(chips, 'chip')}: {base}x{chips}" if chips else "no number of these chips holds it"
        cache = f" with the cache of {counted(batch, 'request')}" if self.architecture.main.causal else ""
        what = f"{self.architecture.name} in {self.precision.name}{cache}"
        usable = f"{format_si(room, 'B')} of the memory can be used"
        raise RefusedError(f"{what} needs {format_si(needed, 'B')}, and {usable}; {way}")

    def row(self, place: Place, batch: int, scenario: Scenario) -> EstimationRow:
        """Return the row of one place and batch; raises RefusedError where it does not fit."""
        self.check(place, batch)
        workload = self.workload(float(batch), place.chip_count)
        found = decoder_price(workload, place.machine, software=scenario.software)
        ledger = price(cast(Any, workload), place.machine, with_batch(scenario, batch), per="request")
        ahead = self.request.speculation
        steps = np.asarray(found.decode.time_s / found.time_s) / (ahead.tokens_per_step if ahead else 1.0)
        written = self.request.output_tokens
        unit = "token" if written else "request"
        row = row_of(place, batch, ledger, units=float(written), unit=unit, step_share=float(steps))
        return row if was_measured(self.precision) else guessed(row)


def _room_bytes(place: Place) -> float:
    """Return the memory that weights and caches may fill, all chips of a place."""
    usable = _figures()["usable_memory_frac"].value
    return place.chip_count * usable * rates_of(place.machine).capacity_bytes


def chips_needed(served: _Served, place: Place, batch: int) -> int:
    """Return the smallest power of two of chips that holds the model and the cache of a batch, 0 for none."""
    each = _room_bytes(place) / place.chip_count
    chips = 1
    while chips <= _MOST_CHIPS:
        if float(np.max(served.workload(batch, chips).resident_bytes)) <= each * chips:
            return chips
        chips *= 2
    return 0
