"""Language models: which precision, cache, batch and number of chips take the fewest joules a token, by the predictor.

Nothing is compressed here: settings are ranked, and recipes for the tools that quantise are written (quantizers.py).
The predictor was fitted on runs in 16 bits and in 8-bit floats (of dense models Llama 3.1 405B alone); pairs of runs of
a routed model (pairs.py) tell how often it foresees whether 8 bits save. Everything else (integers, a narrow cache) was
measured by nobody who publishes joules of servers: such rows are guesses, wider, and never the best one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from twentywatts.architecture import Architecture
from twentywatts.counting.precision import precision_of
from twentywatts.errors import InputError, RefusedError
from twentywatts.estimation.decoder import language_model
from twentywatts.estimation.places import Place, places_of
from twentywatts.estimation.request import Asked
from twentywatts.estimation.result import EstimationRow, ModelCard, Refusal
from twentywatts.estimation.subject import Subject
from twentywatts.readers.architectures import load_architecture
from twentywatts.scenario import Scenario
from twentywatts.slimming.language.pairs import Pairs, ratio_of
from twentywatts.uncertain import Interval

__all__ = ["PUBLISHED", "LanguageAdvice", "Load", "Option", "recommend"]

PUBLISHED = "as published"
_WIDTHS = ("bf16", "fp8", "int8", "int4")
_SIXTEEN_BITS = ("bf16", "fp16")  # alike to a predictor
_MEASURED = (*_SIXTEEN_BITS, "fp8")
_CACHES = ("", "fp8")  # empty: as wide as the arithmetic, 16 bits or 32
_CHIPS = (1, 2, 4, 8)
_REPLY_TOKENS = 300  # of an answer, as in an estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of a server.

    prompt_tokens, output_tokens: of a request. most_batch: requests that there are at a time at most; None: as many
    as the memory holds. step_s: longest time between two tokens that a user bears, None for any.
    """

    prompt_tokens: int = 500
    output_tokens: int = _REPLY_TOKENS
    most_batch: int | None = None
    step_s: float | None = None

    def __post_init__(self) -> None:
        if self.most_batch is not None and self.most_batch < 1:
            raise InputError(f"there must be at least one request at a time, got {self.most_batch}")
        if self.step_s is not None and not 0 < self.step_s < float("inf"):
            raise InputError(f"the time between two tokens must be more than 0 s, got {self.step_s!r}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Option:
    """One way to serve: precision of weights and cache (empty: as wide as the arithmetic), chips and batch in ``row``.

    against_published: joules per token over those of the weights as published on as many of the same chips at the same
    batch, None where these do not fit. is_borne: whether tokens come fast enough. is_measured: whether the predictor
    was fitted on such runs. is_paired: whether such models were measured in both precisions on as many chips.
    is_advised: is_measured, and measured pairs at such batches do not say that it rather costs.
    is_extrapolated: another precision than published at fewer requests than any pair was measured with.
    """

    precision: str
    cache: str
    base: str
    row: EstimationRow
    is_measured: bool
    is_paired: bool
    is_advised: bool
    is_extrapolated: bool = False
    is_borne: bool = True
    against_published: Interval | None = None

    @property
    def energy_j_per_token(self) -> float:
        """Joules per output token, mid value."""
        return self.row.energy_j_per_unit.mid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LanguageAdvice:
    """How to serve a language model for the fewest joules a token.

    options: all that fit, borne ones first, the least energy first. starting: the weights as published, a lone user (or
    the smallest batch), fewest chips: what everything is told against. pairs: what measured pairs say.
    """

    model: ModelCard
    architecture: Architecture
    load: Load
    options: tuple[Option, ...]
    starting: Option
    pairs: Pairs
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Option | None:
        """The advised option with the fewest joules a token among those that are borne, None where there is none."""
        return next((one for one in self.options if one.is_borne and one.is_advised), None)


def recommend(
    model: str | Path, *, on: str | Sequence[str], load: Load | None = None, software: str = "", seed: int = 0
) -> LanguageAdvice:
    """Return ways to serve a language model, ranked by predicted joules per output token.

    model: a bundled name, a folder or file with a config.json, or a hub id. on: machines; of a name without a number of
    chips 1, 2, 4 and 8 together are tried. Raises InputError for a model that writes no text, and where no machine
    holds it; ModelError, MachineError as for an estimate.
    """
    load, architecture = load or Load(), load_architecture(model)
    if not architecture.main.causal or load.output_tokens < 1:
        raise InputError(f"'{architecture.name}' writes no text: joules per token need a model that does")
    scenario = Scenario(seed=seed, software=software)
    pairs = Pairs.load()
    refused: dict[str, str] = {}
    chips: dict[str, str] = {}
    options: list[Option] = []
    names = _precisions(architecture)
    subjects = {(name, cache): _subject(model, load, name, cache) for name in names for cache in _CACHES}
    for place in _places(on):
        sizes = _sizes(subjects.values(), place, load)
        for (name, cache), subject in subjects.items():
            try:
                kind = (_on(place, name), cache, _on(place, subject.model.precision))
                rows = _rows(subject, place, sizes, scenario)
                options.extend(_option(row, architecture, pairs, load, kind=kind) for row in rows)
            except RefusedError as error:
                refused.setdefault(place.name, str(error))
                chips[place.name] = place.machine.name
    if not options:
        reasons = "; ".join(f"{name}: {why}" for name, why in _shortly(refused, chips).items())
        raise InputError(f"no machine can serve it: {reasons}")
    compared = [replace(one, against_published=_against(one, options, pairs)) for one in options]
    ranked = tuple(sorted(compared, key=lambda one: (not one.is_borne, one.energy_j_per_token)))
    served = {one.row.machine for one in options}
    missed = {name: why for name, why in refused.items() if name not in served}
    return LanguageAdvice(
        model=subjects[PUBLISHED, ""].model,
        architecture=architecture,
        load=load,
        options=ranked,
        starting=_starting(ranked),
        pairs=pairs,
        refused=tuple(Refusal(machine=name, reason=why) for name, why in _shortly(missed, chips).items()),
        notes=subjects[PUBLISHED, ""].notes,
    )


def _shortly(refused: Mapping[str, str], chips: Mapping[str, str]) -> dict[str, str]:
    """Return reasons by place, one of each chip: that of its largest group, of the smallest where they are alike."""
    told: dict[str, tuple[str, str]] = {}
    for name, reason in refused.items():
        if told.get(chips[name], ("", ""))[1] != reason:
            told[chips[name]] = name, reason
    return dict(told.values())


def _precisions(architecture: Architecture) -> list[str]:
    """Return the weights as published, then every format that stores them in fewer bits or other 8-bit numbers."""
    published = precision_of(architecture)
    widest = max(published.weights.linear, published.weights.experts)
    narrower = [name for name in _WIDTHS if precision_of(architecture, name).weights.linear < widest]
    return [PUBLISHED, *narrower]


def _on(place: Place, precision: str) -> str:
    """Return what a precision is called on a place: without arithmetic in bf16 the other format of 16 bits serves."""
    return str(place.machine.traits.get("half_format", precision)) if precision in _SIXTEEN_BITS else precision


def _subject(model: str | Path, load: Load, precision: str, cache: str) -> Subject:
    return language_model(
        model,
        Asked(prompt_tokens=load.prompt_tokens, output_tokens=load.output_tokens),
        precision="" if precision == PUBLISHED else precision,
        cache=cache,
    )


def _places(on: str | Sequence[str]) -> Iterator[Place]:
    """Yield the places that were named, and of a name without a number of chips its small groups."""
    for place in places_of(on):
        if place.chip_count > 1 or place.name.endswith("x1"):
            yield place
            continue
        for chips in _CHIPS:
            yield replace(place, name=place.name if chips == 1 else f"{place.name}x{chips}", chip_count=chips)


def _sizes(subjects: Iterable[Subject], place: Place, load: Load) -> list[int]:
    """Return the batches that are asked about on a place: those of every precision, so that each stands beside each."""
    sizes = {load.most_batch} if load.most_batch else set()
    for subject in subjects:
        try:
            sizes |= {size for size in subject.batches(place) if size <= (load.most_batch or size)}
        except RefusedError:  # told where its rows are asked for
            continue
    return sorted(sizes or {1})


def _rows(subject: Subject, place: Place, sizes: Sequence[int], scenario: Scenario) -> Iterator[EstimationRow]:
    """Yield the rows of one precision on one place; raises RefusedError where it does not hold the model."""
    machine = place.machine
    if machine.refused:
        raise RefusedError(machine.refused)
    if subject.model.precision == "fp8" and "peak_fp8_flop_per_s" not in machine.figures:
        raise RefusedError(f"'{machine.name}' publishes no rate for 8-bit floats")
    yield subject.row(place, sizes[0], scenario)
    for size in sizes[1:]:
        try:
            yield subject.row(place, size, scenario)
        except RefusedError:
            return  # the cache of so many requests does not fit


def _option(
    row: EstimationRow, architecture: Architecture, pairs: Pairs, load: Load, *, kind: tuple[str, str, str]
) -> Option:
    """Return a row as an option. kind: precision as asked for, cache, precision of the weights."""
    precision, cache, base = kind
    measured, routed = not cache and base in _MEASURED, architecture.is_routed
    rather_costs = precision == "fp8" and routed and not pairs.band(row.batch).rather_saves
    return Option(
        precision=precision,
        cache=cache,
        base=base,
        row=row,
        is_measured=measured,
        is_paired=measured and (routed or base != "fp8"),
        is_advised=(measured or (precision == PUBLISHED and not cache)) and not rather_costs,
        is_extrapolated=precision != PUBLISHED and row.batch < pairs.least_batch,
        is_borne=load.step_s is None or row.step_s.mid <= load.step_s,
    )


def _against(option: Option, options: Sequence[Option], pairs: Pairs) -> Interval | None:
    """Return joules over those of the published weights on as many of the same chips, at the same batch."""
    same = [
        one
        for one in options
        if one.precision == PUBLISHED
        and not one.cache
        and (one.row.machine, one.row.batch) == (option.row.machine, option.row.batch)
    ]
    if not same or option is same[0]:
        return None
    ratio = option.energy_j_per_token / same[0].energy_j_per_token
    is_measured = option.is_paired and same[0].base in _SIXTEEN_BITS
    return ratio_of(ratio, pairs, is_measured=is_measured, batch=option.row.batch)


def _starting(options: Sequence[Option]) -> Option:
    """Return where most begin: the weights as published, the smallest batch, the fewest chips that hold them."""
    plain = [one for one in options if one.precision == PUBLISHED and not one.cache] or list(options)
    return min(plain, key=lambda one: (one.row.batch, one.row.chip_count, one.energy_j_per_token))
