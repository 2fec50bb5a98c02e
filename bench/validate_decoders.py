# ruff: noqa: E501
"""Write docs/validation/decoders.md: measured joules of language models against what was predicted without them.

    python bench/validate_decoders.py --data DIR [--docs FILE]

Each base model is left out once (with its precision, vision, thinking and coder siblings), then each chip; everything
here comes from constants that did not see the rows. Brackets are 90 % of a bootstrap over base models.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from decoder_fit import TASKS
from decoder_pairs import Pair, pairs_of, sign_text
from decoder_peers import ecologits_j
from decoder_rows import architecture_of, read_rows
from decoder_signs import ceiling, ranking, verdict, wrong
from fit_decoder import NOTICED, WRONG, Fits, coverage, fit_all, identified, relative
from twentywatts.counting.parameters import active_parameter_count, parameter_count
from twentywatts.price.decoder_constants import error_model
from twentywatts.uncertain import Array

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "validation" / "decoders.md"
_RESAMPLES = 1000


def bootstrap(groups: Array, statistic: Callable[[Array], float], inside: Array) -> tuple[float, float]:
    """Return 5 % and 95 % of a statistic of rows, base models drawn with replacement; ``inside``: the rows that count."""
    generator = np.random.default_rng(0)
    members = {name: np.flatnonzero((groups == name) & inside) for name in sorted(set(groups[inside]))}
    names = list(members)
    values = []
    for _ in range(_RESAMPLES):
        drawn = generator.choice(len(names), len(names))
        values.append(statistic(np.concatenate([members[names[number]] for number in drawn])))
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(high)


def _errors(fits: Fits) -> list[str]:
    table = fits.table
    every = np.ones(len(table.rows), bool)
    choices: list[tuple[str, Array]] = [("all", every), ("dense", ~table.routed), ("routed (MoE)", table.routed)]
    choices += [("text, 2025", (table.software == 1) & np.isin(table.task, [TASKS.index(t) for t in _TEXT]))]
    choices += [
        (f"{machine}, {software}", (table.machine == machine) & (table.software == number))
        for number, software in enumerate(table.softwares)
        for machine in sorted(set(table.machine))
    ]
    choices += [("one chip", table.chips == 1), ("several chips", table.chips > 1)]
    choices += [("batch up to 16", table.batch <= 16), ("batch 17 to 256", (table.batch > 16) & (table.batch <= 256))]
    choices += [("batch above 256", table.batch > 256)]
    lines = [
        "| rows | number | base models | calibrated (in sample) | **predictive (held out)** | bracket | p90 | step time |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for name, inside in choices:
        if not inside.any():
            continue
        held, seconds = relative(fits.held_out), relative(fits.held_out_time)
        low, high = bootstrap(table.groups, lambda rows, held=held: float(np.median(held[rows])), inside)
        cells = [name, str(inside.sum()), str(len(set(table.groups[inside])))]
        cells += [_percent(np.median(relative(fits.in_sample)[inside])), f"**{_percent(np.median(held[inside]))}**"]
        cells += [f"{_percent(low)}–{_percent(high)}", _percent(np.quantile(held[inside], 0.9))]
        lines.append(f"| {' | '.join([*cells, _percent(np.median(seconds[inside]))])} |")
    return lines


_TEXT = ("lm-arena-chat", "gpqa", "sourcegraph-fim")


def _unseen(fits: Fits) -> list[str]:
    lines = ["| chip left out, in every software | rows | median | p90 | bias |", "|---|---|---|---|---|"]
    error = relative(fits.unseen)
    for name in [*sorted(set(fits.table.machine)), "all"]:
        inside = (fits.table.machine == name) | (name == "all")
        bias = np.expm1(np.median(-fits.unseen[inside]))
        cells = [name, str(inside.sum()), _percent(np.median(error[inside])), _percent(np.quantile(error[inside], 0.9))]
        lines.append(f"| {' | '.join([*cells, f'{100 * bias:+.0f} %'])} |")
    return lines


def _coverage(fits: Fits) -> list[str]:
    table = fits.table
    found = coverage(fits)
    levels = (found.energy_80, found.energy_90)
    lines = ["| rows | 80 % interval holds | bracket | 90 % interval holds | bracket |", "|---|---|---|---|---|"]
    choices = [("all", np.ones(len(table.rows), bool)), ("dense", ~table.routed), ("routed", table.routed)]
    choices += [("batch up to 16", table.batch <= 16), ("several chips", table.chips > 1)]
    for name, inside in choices:
        cells = [name]
        for held in levels:
            low, high = bootstrap(table.groups, lambda rows, held=held: float(held[rows].mean()), inside)
            cells += [_percent(held[inside].mean()), f"{_percent(low)}–{_percent(high)}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _power(fits: Fits) -> list[str]:
    """Return how often the interval of the mean power holds, on rows that have one."""
    table, inside, found = fits.table, fits.powered, coverage(fits)
    linear = np.corrcoef(fits.held_out[inside], fits.held_out_time[inside])[0, 1]
    error = error_model()
    lines = [
        "## Power",
        "",
        f"Errors of energy and of time share causes: held out they correlate by {linear:.2f} over the {inside.sum()} runs of 2025 ({len(set(table.groups[inside]))} base",
        "models; those of 2024 took energy and tokens over different windows, so that they have no power). Power is energy over time. Drawn as if",
        "the two had nothing in common, its interval is too wide; drawn as one, it would have none. They are drawn with the correlation at which it",
        f"holds nine of ten ({error.correlation:.2f}: less than that of the errors, because errors of time are the larger ones and their interval is energy's, and",
        f"because a few far rows make most of that number). Half the width of ln(power) is {error.power_90:.3f} × scale in place of {np.sqrt(2) * error.quantile_90:.3f}; no draw is below idle power or above the limit.",
        "",
        "| rows | drawn apart: 90 % interval holds | **as shipped: 90 % interval holds** | bracket |",
        "|---|---|---|---|",
    ]
    choices = [("all", inside), ("dense", inside & ~table.routed), ("routed", inside & table.routed)]
    choices += [("batch up to 16", inside & (table.batch <= 16)), ("several chips", inside & (table.chips > 1))]
    choices += [(name, inside & (table.machine == name)) for name in sorted(set(table.machine[inside]))]
    for name, rows in choices:
        low, high = bootstrap(table.groups, lambda drawn: float(found.power_90[drawn].mean()), rows)
        cells = [name, _percent(found.apart_90[rows].mean()), f"**{_percent(found.power_90[rows].mean())}**"]
        lines.append(f"| {' | '.join([*cells, f'{_percent(low)}–{_percent(high)}'])} |")
    return [*lines, ""]


def ecologits(fits: Fits, *, true_batch: bool) -> Array:
    """Return EcoLogits' joules per output token for every row, GPUs only."""
    found = []
    for row in fits.table.rows:
        architecture = architecture_of(row.model)
        active, total = active_parameter_count(architecture) / 1e9, parameter_count(architecture) / 1e9
        bits = 8.0 if row.precision == "fp8" else 16.0
        batch = {"batch": row.batch} if true_batch else {}
        found.append(ecologits_j(active, total, bits=bits, **batch))
    return np.array(found)


def _peer(fits: Fits) -> list[str]:
    measured = fits.table.energy_j
    ours = float(np.median(relative(fits.held_out)))
    lines = ["| predictor | median | p90 | times ours |", "|---|---|---|---|"]
    found = {"EcoLogits, its batch of 64": ecologits(fits, true_batch=False)}
    found["EcoLogits, the true batch"] = ecologits(fits, true_batch=True)
    for name, joules in found.items():
        error = np.abs(joules / measured - 1.0)
        cells = [name, _percent(np.median(error)), _percent(np.quantile(error, 0.9)), f"{np.median(error) / ours:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    own = [_percent(ours), _percent(np.quantile(relative(fits.held_out), 0.9)), "1"]
    return [*lines, f"| **ours, held out** | {' | '.join(own)} |"]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if abs(value) < 0.1 else f"{100 * value:.0f} %"


def _prompts(fits: Fits) -> list[str]:
    factors = np.exp(fits.model.parts(fits.whole)[3])
    lines = ["| task | assumed prompt, tokens | the fit's |", "|---|---|---|"]
    for task, factor in zip(TASKS, factors, strict=True):
        lengths = sorted({row.prompt_tokens for row in fits.table.rows if row.task == task})
        assumed = f"{lengths[0]:,.0f}" if len(lengths) == 1 else f"{lengths[0]:,.0f} to {lengths[-1]:,.0f}, by model"
        found = f"{lengths[0] * factor:,.0f}" if len(lengths) == 1 else f"{factor:.2f} times that"
        lines.append(f"| {task} | {assumed} | {found} |")
    return lines


def _worst(fits: Fits) -> list[str]:
    table, error = fits.table, relative(fits.held_out)
    medians = {name: float(np.median(error[table.groups == name])) for name in sorted(set(table.groups))}
    order = sorted(medians, key=lambda name: -medians[name])
    lines = ["| base model | rows | median | p90 | bias |", "|---|---|---|---|---|"]
    for name in order:
        inside = table.groups == name
        bias = np.expm1(np.median(-fits.held_out[inside]))
        cells = [name, str(inside.sum()), _percent(medians[name]), _percent(np.quantile(error[inside], 0.9))]
        lines.append(f"| {' | '.join([*cells, f'{100 * bias:+.0f} %'])} |")
    return lines


def _pair_lines(pairs: Sequence[Pair]) -> list[str]:
    lines = ["| base model, chip | pairs | measured FP8 / BF16, small to large batch | predicted | sign right |"]
    lines += ["|---|---|---|---|---|"]
    for name in sorted({(pair.group, pair.place) for pair in pairs}):
        found = sorted((p for p in pairs if (p.group, p.place) == name), key=lambda pair: pair.batch)
        ends = (found[0], found[-1])
        measured = " to ".join(f"{pair.measured:.2f} ({pair.batch:.0f})" for pair in ends)
        predicted = " to ".join(f"{pair.predicted:.2f}" for pair in ends)
        right = sum(pair.is_right for pair in found)
        lines.append(f"| {name[0]}, {name[1]} | {len(found)} | {measured} | {predicted} | {right} of {len(found)} |")
    return lines


def _causes(objections: Mapping[str, tuple[float, ...]]) -> list[str]:
    """Return what the runs say against a constant of each cause that is held wrong; both ways they must, to tell it."""
    names = {"static": ("static power", "power while waiting for the host"), "memory": ("joules per byte of memory",)}
    names |= {"compute": ("joules per operation",), "communication": ("joules per byte sent",)}
    lines = [f"| constant | held at 1/{WRONG:g} | held at {WRONG:g} times | told |", "|---|---|---|---|"]
    for cause, found in objections.items():
        for place, name in enumerate(names[cause]):
            low, high = found[2 * place : 2 * place + 2]
            told = "yes" if min(low, high) >= NOTICED else "no"
            lines.append(f"| {name} | {low:+.1f} | {high:+.1f} | {told} |")
    return lines


def _told(objections: Mapping[str, tuple[float, ...]]) -> list[str]:
    return [
        "## What the runs can tell of where the joules go",
        "",
        f"Each constant of energy is held {WRONG:g} times too small and too large, all others make up for it, and the worsening of the fit is",
        f"given in standard errors over base models (below {NOTICED:g}: the runs do not object; below 0: the constants that make up for it, no longer held by what is believed of them before",
        "any run, fit even better). A cause is told where they object both ways.",
        "",
        *_causes(objections),
        "",
        "Beside that, what idling for as long would have taken is told from the chip's published idle power, without any fit.",
        "",
    ]


def report(fits: Fits, objections: Mapping[str, tuple[float, ...]]) -> str:
    """Return the page."""
    return "\n".join([*_head(fits), *_body(fits, objections)]) + "\n"


def _head(fits: Fits) -> list[str]:
    contended = _percent(np.median(relative(fits.contended)))
    return [
        "# Language models: predicted against measured",
        "",
        "Written by `bench/validate_decoders.py`; do not edit. Energy per output token of all GPUs, ML.ENERGY v3 and v2,",
        f"{len(fits.table.rows):,} runs of {len(set(fits.table.groups))} base models. Nothing is known but model, chip,",
        "batch and lengths (mean batch and mean output as measured; prompts assumed, below). *Predictive*: the base model,",
        "with its precision, vision, thinking and coder siblings, was left out of the fit. *Calibrated*: it was in it. The two",
        "are different things. Errors are |predicted / measured − 1|, medians over rows; brackets are 90 % of a bootstrap",
        "over base models.",
        "",
        *_errors(fits),
        "",
        f"Some runs on one B200 waited for their host far longer than others of the same model (a step of {_slow(fits)} ms against",
        "5 to 9 ms at a batch of 8 to 16): several runs seem to have shared it. The fit gives the host a factor of its own there,",
        f"by task, so that it does not spoil the others. Where that is known for the left-out model too, the median is {contended}.",
        "It is *not* known in any other number on this page.",
        "",
    ]


def _body(fits: Fits, objections: Mapping[str, tuple[float, ...]]) -> list[str]:
    pairs, halved = pairs_of(fits), pairs_of(fits, times=2)
    return [
        "## A chip that was never seen",
        "",
        "Constants from the other chips, scaled by what the chip publishes.",
        "",
        *_unseen(fits),
        "",
        "## Intervals",
        "",
        "Conformal, each base model calibrated by the others alone.",
        "",
        *_coverage(fits),
        "",
        *_power(fits),
        "## A peer on the same rows",
        "",
        "EcoLogits' published regression (it was fitted on ML.ENERGY too, so that some of these rows are in its sample).",
        "",
        *_peer(fits),
        "",
        "## Does FP8 save energy?",
        "",
        *verdict(fits, pairs),
        *sign_text(fits, pairs, halved),
        *ceiling(fits, pairs, halved),
        *wrong(fits, pairs),
        "",
        "What the wrong ones have in common, and the twenty forms that were tried with these pairs in sight: [eight-bit experts](../method/decoder-experts.md) lists them and",
        "how one was chosen: by other base models, each left out, Qwen3 235B never seen.",
        "",
        *_pair_lines(pairs),
        "",
        "## A larger batch, or fewer bits?",
        "",
        *ranking(fits, pairs),
        "",
        *_told(objections),
        "## Prompt lengths",
        "",
        "No row says how long its prompts were. Assumed by task; the fit moves each (one number for all models).",
        "",
        *_prompts(fits),
        "",
        "## By base model, left out",
        "",
        *_worst(fits),
    ]


def _slow(fits: Fits) -> str:
    table = fits.table
    small = (table.batch <= 17) & np.array([row.contention in ("gpqa", "image-chat") for row in table.rows])
    return f"{1e3 * np.median(table.step_s[small]):.0f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, leave out, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=DOCS)
    options = parser.parse_args(arguments)
    rows, missing = read_rows(options.data)
    for reason, count in missing.items():
        print(f"left out: {count} rows, {reason}")
    fits = fit_all(rows)
    text = report(fits, identified(fits))
    options.docs.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
