"""estimate: a model that is not run, on chips that are not at hand, from a lone user to a full server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from twentywatts.counting.use import Speculation
from twentywatts.errors import InputError, RefusedError
from twentywatts.estimation.decoder import language_model, speculation_of
from twentywatts.estimation.diffusion import diffusion_model
from twentywatts.estimation.networks import network
from twentywatts.estimation.places import Place, batches_of, places_of
from twentywatts.estimation.request import Asked
from twentywatts.estimation.result import Estimation, EstimationRow, Refusal
from twentywatts.estimation.subject import Subject
from twentywatts.estimation.words import answer_of
from twentywatts.readers.diffusions import is_diffusion
from twentywatts.scenario import Boundary, Scenario

__all__ = ["estimate"]


_DRAFT = ("draft", "draft_tokens", "accepted_frac")
_WORDS = ("prompt_tokens", "output_tokens", "cache_precision", "cached_frac", *_DRAFT)  # of models that read or write


class EstimateOptions(TypedDict, total=False):
    """What ``estimate`` takes by name besides the machines and the batch."""

    prompt_tokens: int
    output_tokens: int
    precision: str
    cache_precision: str
    cached_frac: float
    draft: str | Path
    draft_tokens: int
    accepted_frac: float
    software: str
    images: int
    steps: int
    boundary: str
    seed: int


def estimate(
    model: str | Path,
    *,
    on: str | Sequence[str],
    batch: int | str | Sequence[int] | None = None,
    **options: Unpack[EstimateOptions],
) -> Estimation:
    """Return what one reply (image, video, inference) of a model costs on chips, with intervals.

    model: a bundled name, a folder or file with a config.json, a hub id, a bundled image or video model, or an .onnx
    file. on: machines, ``h100-sxm,b200x8``; NAMExN takes N chips together. batch: requests served together, a number,
    several, or ``1..256``; without it the range from a lone user to a full server. prompt_tokens (500) and
    output_tokens (300): of a request. precision: of the weights, as published if empty. cache_precision: of keys and
    values, 16 bits if empty. cached_frac: of the prompt, kept from requests before. draft, draft_tokens, accepted_frac:
    a model that writes so many tokens ahead, of which the large one accepts that share. software: era of the serving
    software. steps: of a diffusion model. images: of a diffusion model those served together, of a language model that
    sees those of one request. boundary: chip, device, system or facility. seed: of the draws.

    Raises InputError for what cannot be used, and where no machine at all can hold or be priced for the model.
    """
    subject = _subject(model, options)
    sizes = batches_of(options.get("images") if subject.model.kind in ("image", "video") and batch is None else batch)
    scenario = Scenario(
        boundary=Boundary(_boundary(options)), seed=options.get("seed", 0), software=options.get("software", "")
    )
    rows: list[EstimationRow] = []
    refused: list[Refusal] = []
    places = places_of(on)
    for place in places:
        found, reasons = _rows(subject, place, sizes, scenario)
        rows += found
        refused += [Refusal(machine=place.name, reason=reason) for reason in reasons]
    if not rows:
        told = "; ".join(f"{refusal.machine}: {refusal.reason}" for refusal in refused)
        raise InputError(f"no machine can be estimated: {told}")
    return Estimation(
        model=subject.model,
        use=subject.use,
        answer=answer_of(rows, what=subject.what, of=subject.model.title),
        rows=tuple(rows),
        refused=tuple(refused),
        notes=(*dict.fromkeys(place.note for place in places if place.note), *subject.notes),
        boundary=str(scenario.boundary),
        draws=scenario.draws,
        seed=scenario.seed,
    )


def _boundary(options: EstimateOptions) -> str:
    boundary = options.get("boundary", "device")
    if boundary not in list(Boundary):
        raise InputError(f"unknown boundary '{boundary}', wanted one of {', '.join(Boundary)}")
    return boundary


def _subject(model: str | Path, options: EstimateOptions) -> Subject:
    """Return what is estimated, by what the name or file is."""
    for name in ("prompt_tokens", "output_tokens", "images", "steps"):
        value = options.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**9):
            raise InputError(f"{name.replace('_', ' ')} must be a whole number from 0 to 1,000,000,000, got {value!r}")
    if str(model).endswith(".onnx"):
        _check_meant(model, options, "a network in an ONNX file", (*_WORDS, "images", "steps"))
        return network(Path(model), precision=options.get("precision", ""))
    if is_diffusion(str(model)):
        _check_meant(model, options, "an image or video model", (*_WORDS, "precision"))
        return diffusion_model(str(model), steps=options.get("steps"))
    _check_meant(model, options, "a language model", ("steps",))
    return language_model(
        model,
        Asked(
            prompt_tokens=options.get("prompt_tokens"),
            output_tokens=options.get("output_tokens"),
            images=options.get("images") or 0,
            cached_frac=options.get("cached_frac", 0.0),
            speculation=_speculation(options),
        ),
        precision=options.get("precision", ""),
        cache=options.get("cache_precision", ""),
    )


def _speculation(options: EstimateOptions) -> Speculation | None:
    """Return the draft that was asked for; raises InputError where only a part of it was."""
    given = [name for name in _DRAFT if options.get(name) is not None]
    if not given:
        return None
    if len(given) < len(_DRAFT):
        missing = ", ".join(name.replace("_", " ") for name in _DRAFT if name not in given)
        raise InputError(
            f"a draft that writes ahead wants a model, its tokens and the share accepted; missing: {missing}"
        )
    return speculation_of(options["draft"], options["draft_tokens"], options["accepted_frac"])


def _check_meant(model: str | Path, options: EstimateOptions, kind: str, strange: tuple[str, ...]) -> None:
    """Raise InputError for an option that a model of this kind does not have: it would be passed over in silence."""
    for name in strange:
        if options.get(name):
            raise InputError(f"'{model}' is {kind}: it has no {name.replace('_', ' ')}")


def _rows(
    subject: Subject, place: Place, sizes: tuple[int, ...] | None, scenario: Scenario
) -> tuple[list[EstimationRow], list[str]]:
    """Return the rows of one place, and why there are no others: the first batch that it cannot hold is told."""
    try:
        if place.machine.refused:
            raise RefusedError(place.machine.refused)
        chosen = subject.batches(place) if sizes is None else sizes
    except RefusedError as error:
        return [], [str(error)]
    rows: list[EstimationRow] = []
    reasons: list[str] = []
    for size in sorted(set(chosen)):
        try:
            rows.append(subject.row(place, size, scenario))
        except RefusedError as error:
            reasons.append(str(error))
    return rows, reasons[:1]
