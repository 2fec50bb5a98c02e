"""The JSON document of a served language model: schema ``twentywatts.slim-language/1``. Table and page render it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from twentywatts.figures import Source
from twentywatts.reports.records import plain_document, source_records
from twentywatts.slimming.language.pairs import Band, Pairs
from twentywatts.slimming.language.quantizers import recipes
from twentywatts.slimming.language.ranking import LanguageAdvice, Option

__all__ = ["SCHEMA", "language_document"]

SCHEMA = "twentywatts.slim-language/1"

Record = dict[str, Any]


def language_document(advice: LanguageAdvice, *, model: str = "", run: Mapping[str, Any] | None = None) -> Record:
    """Return the advice as plain values, keys in a fixed order, numbers with six significant digits, quantities in SI.

    model: where the weights are. run: of the command, which alone may differ between two runs.
    """
    load, best = advice.load, advice.best
    found, refused = recipes(advice.architecture, model)
    document = {
        "schema": SCHEMA,
        "model": {**asdict(advice.model), "sources": list(advice.model.sources)},
        "load": {
            "prompt_tokens": load.prompt_tokens,
            "output_tokens": load.output_tokens,
            "most_batch": load.most_batch,
            "step_s": load.step_s,
        },
        "starting": _option(advice.starting),
        "best": None if best is None else _option(best),
        "serve": "" if best is None else serve_command(best),
        "options": [_option(option) for option in advice.options],
        "pairs": _pairs(advice.pairs),
        "recipes": [
            {"precision": one.precision, "tool": one.tool, "name": one.name, "needs_texts": one.needs_texts}
            for one in found
        ],
        "no_recipe": [{"precision": name, "reason": reason} for name, reason in refused.items()],
        "refused": [asdict(refusal) for refusal in advice.refused],
        "notes": _notes(advice),
        "sources": source_records([*advice.model.sources, *advice.pairs.sources, *_cited(advice)], own=_own(advice)),
        "run": dict(run or {}),
    }
    return plain_document(document)


def serve_command(option: Option) -> str:
    """Return how vLLM is told to serve so; MODEL stands for the folder of the weights in that precision."""
    words = [
        "vllm serve MODEL",
        f"--tensor-parallel-size {option.row.chip_count}",
        f"--max-num-seqs {option.row.batch}",
    ]
    half = ["--dtype half"] if option.base == "fp16" else []  # what was published in bf16 does not start without it
    return " ".join([*words, *half, *([f"--kv-cache-dtype {option.cache}"] if option.cache else [])])


def _option(option: Option) -> Record:
    row = option.row
    against = option.against_published
    return {
        "machine": row.machine,
        "chip": row.machine.removesuffix(f"x{row.chip_count}"),
        "chip_count": row.chip_count,
        "batch": row.batch,
        "precision": option.precision,
        "weights": option.base,
        "cache": option.cache or "full",
        "energy_j_per_token": row.energy_j_per_unit.as_dict(),
        "tokens_per_s": row.units_per_s.as_dict(),
        "step_s": row.step_s.as_dict(),
        "power_w": row.power_w.as_dict(),
        "against_published": None if against is None else against.as_dict(),
        "borne": option.is_borne,
        "measured_precision": option.is_measured,
        "paired": option.is_paired,
        "advised": option.is_advised,
        "extrapolated": option.is_extrapolated,
        "evidence": row.ledger.evidence.label,
        "guessed_frac": row.ledger.guessed_frac,
    }


def _pairs(pairs: Pairs) -> Record:
    return {
        "pair_count": pairs.pair_count,
        "saving_count": pairs.saving_count,
        "right_count": pairs.right_count,
        "least_batch": pairs.least_batch,
        "ratio_error": pairs.ratio_error,
        "base_models": list(pairs.base_models),
        "bands": [_band(band) for band in pairs.bands],
        "sources": list(pairs.sources),
    }


def _band(band: Band) -> Record:
    return {
        "least_batch": band.least_batch,
        "most_batch": None if math.isinf(band.most_batch) else band.most_batch,
        "pair_count": band.pair_count,
        "saving_count": band.saving_count,
        "right_count": band.right_count,
        "ratio": band.ratio.as_dict(),
    }


def _notes(advice: LanguageAdvice) -> list[str]:
    told = [option for option in (advice.starting, advice.best, *advice.options[:1]) if option]
    notes = [*advice.notes, *(note for option in told for note in option.row.ledger.notes)]
    return list(dict.fromkeys(notes))


def _cited(advice: LanguageAdvice) -> set[str]:
    return {key for option in advice.options for key in option.row.ledger.sources}


def _own(advice: LanguageAdvice) -> dict[str, Source]:
    """Return citations that machine files of the user's own bring, by key."""
    return {key: source for option in advice.options for key, source in option.row.ledger.own_sources.items()}
