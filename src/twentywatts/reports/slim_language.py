"""How to serve a language model in a terminal: the answer, joules a token by batch and precision, what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from twentywatts.comparison.text import ratio_interval_text, ratio_text
from twentywatts.errors import clean
from twentywatts.reports.words import interval_text, quantity_text
from twentywatts.uncertain import Interval
from twentywatts.units import format_si

__all__ = [
    "chips_of",
    "facts_text",
    "known_by",
    "known_notes",
    "language_headline",
    "language_view",
    "legend_text",
    "pair_sentences",
    "recipe_sentences",
    "setting_words",
    "table_by_batch",
]

Record = Mapping[str, Any]

_MOST_RANKED = 8
_PUBLISHED = "as published"
_CACHE = "full"


def language_view(document: Record) -> RenderableType:
    """Return what `twentywatts slim` shows of a language model; print it with a rich Console."""
    parts: list[RenderableType] = [
        Text(facts_text(document), style="bold"),
        Text(" ".join(language_headline(document))),
    ]
    for chip in chips_of(document):
        parts += [
            Text(f"\nJoules a token on {clean(chip)}, by requests at a time", style="bold"),
            _table(document, chip),
        ]
    parts.append(Text(legend_text(document), style="dim"))
    parts += _section("The cheapest settings", _ranked(document))
    parts += _section("Does FP8 save energy? What pairs of runs measured", pair_sentences(document))
    parts += _section("Recipes (--out FOLDER writes them)", recipe_sentences(document))
    parts += _section("How it would be served", [document["serve"]] if document["serve"] else [])
    refused = [f"{clean(one['machine'])}: {clean(one['reason'])}" for one in document["refused"]]
    parts += _section("Refused", refused)
    parts += _section("What to know", known_notes(document))
    return Group(*parts)


_KNOWN = (
    "joules alone are ranked: what a precision does to the answers is not known here; evaluate before it serves",
    "a guess is what nobody measured (integers, a narrow cache): its interval is wider, "
    "and it is never named as the cheapest; nor is FP8 of a routed model at batches where it cost in most measured "
    "pairs",
)


def known_notes(document: Record) -> list[str]:
    """Return what a reader must know."""
    return [clean(note) for note in (*_KNOWN, *document["notes"])]


def chips_of(document: Record) -> list[str]:
    """Return the chips that were asked about, in the order of their cheapest setting."""
    return list(dict.fromkeys(option["chip"] for option in document["options"]))


def facts_text(document: Record) -> str:
    """Return what the model is and how it is used."""
    model, load = document["model"], document["load"]
    size = f"{format_si(model['parameter_count'], '')} parameters, {model['precision']}"
    use = f"{load['prompt_tokens']:,} tokens in, {load['output_tokens']:,} out"
    return clean(f"{model['title']}: {size}; {use}")


def setting_words(option: Record) -> str:
    """Return a setting in words: ``fp8 weights, batch 64 on h100-sxmx2``."""
    cache = "" if option["cache"] == _CACHE else f", {option['cache']} cache"
    return clean(f"{option['weights']} weights{cache}, {option['batch']:,} at a time on {option['machine']}")


def language_headline(document: Record) -> list[str]:
    """Return the answer in sentences: the best setting, what batching alone does, what 8-bit floats would do there."""
    best, start = document["best"], document["starting"]
    if best is None:
        limit = format_si(document["load"]["step_s"], "s")
        fast = min(document["options"], key=lambda option: option["step_s"]["mid"])
        step = quantity_text(fast["step_s"], "s")
        return [f"Nothing writes a token within {limit}: the fastest is {setting_words(fast)} with {step}."]
    energy = interval_text(best["energy_j_per_token"], "J")
    ratio = start["energy_j_per_token"]["mid"] / best["energy_j_per_token"]["mid"]
    from_start = "" if best == start else f"; {setting_words(start)} takes {ratio_text(ratio)}"
    grounds = "Cheapest of what measured runs stand behind" if best["measured_precision"] else "Cheapest as published"
    sentence = f"{grounds}: {setting_words(best)}, {energy} a token{from_start}."
    return [sentence, *_cheaper(document, best), *_narrow(document, best)]


def _cheaper(document: Record, best: Record) -> list[str]:
    """Return the cheapest setting of all, where that is a guess."""
    first = next((option for option in document["options"] if option["borne"]), best)
    if first["energy_j_per_token"]["mid"] >= best["energy_j_per_token"]["mid"]:
        return []
    factor = ratio_text(first["energy_j_per_token"]["mid"] / best["energy_j_per_token"]["mid"])
    return [f"A guess might take {factor}: {setting_words(first)}."] if factor != "the same" else []


def _narrow(document: Record, best: Record) -> list[str]:
    """Return what FP8 is foreseen to do to the published weights at the smallest and the largest batch."""
    same = [
        option
        for option in document["options"]
        if option["precision"] == "fp8" and option["cache"] == _CACHE and option["against_published"]
    ]
    same = [option for option in same if option["machine"] == best["machine"]] or same
    if not same:
        return []
    few, many = (end(same, key=lambda option: option["batch"]) for end in (min, max))
    told = [_foreseen(option) for option in ([few] if few["batch"] == many["batch"] else [few, many])]
    pairs = document["pairs"]
    least = f"{pairs['least_batch']:,.0f}"
    beyond = f" No pair was measured below {least} at a time: what is told of fewer is extrapolated."
    beyond = beyond if few["extrapolated"] else ""
    sentence = f"FP8 in place of the published weights is foreseen to take {', '.join(told)}.{beyond}"
    if not few["paired"]:
        return [
            f"{sentence} No dense model was measured in both on as many chips (Llama 3.1 405B took less in FP8 on half "
            "of them)."
        ]
    band = pairs["bands"][0]
    return [
        f"{sentence} In measured pairs at {least} to {band['most_batch']:,.0f} at a time FP8 cost energy in "
        f"{band['pair_count'] - band['saving_count']} of {band['pair_count']}; whether it saves was foreseen rightly "
        f"in {pairs['right_count']} of all {pairs['pair_count']}."
    ]


def _foreseen(option: Record) -> str:
    ratio = Interval(**option["against_published"])
    words, bounds = ratio_text(ratio.mid), ratio_interval_text(ratio)
    unsure = ", which could as well cost" if ratio.mid < 1 < ratio.high else ""
    unsure = ", which could as well save" if ratio.low < 1 < ratio.mid else unsure
    how = ", ".join(text for text in ("extrapolated" if option["extrapolated"] else "", bounds) if text)
    return f"{words}{f' ({how})' if how else ''} at {option['batch']:,} at a time{unsure}"


def pair_sentences(document: Record) -> list[str]:
    """Return what measured pairs say of FP8, band by band, and how far that reaches."""
    pairs = document["pairs"]
    told = [_band(band) for band in pairs["bands"]]
    models = ", ".join(clean(name) for name in pairs["base_models"])
    return [*told, f"all pairs are of {models}, a routed model; of a dense one nobody published any on as many chips"]


def _band(band: Record) -> str:
    most = band["most_batch"]
    where = f"{band['least_batch']:,.0f} to {most:,.0f}" if most else f"{band['least_batch']:,.0f} and more"
    ratio = band["ratio"]
    span = f"{ratio['mid']:.2f} times the joules of BF16 ({ratio['low']:.2f} to {ratio['high']:.2f})"
    saved = f"saved in {band['saving_count']} of {band['pair_count']}"
    return f"{where} at a time: {span}, {saved}; foreseen rightly in {band['right_count']}"


def _table(document: Record, chip: str) -> Table:
    headers, rows = table_by_batch(document, chip)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for header in headers:
        table.add_column(header, justify="right", max_width=20)
    for first, *cells in rows:
        table.add_row(first, *(_cell(text) for text in cells))
    return table


def _cell(text: str) -> Text:
    energy, _, speed = text.partition("\n")
    return Text(energy).append(f"\n{speed}" if speed else "", style="dim")


def table_by_batch(document: Record, chip: str) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of joules a token on one chip: a row for each batch, a column for each precision."""
    own = [option for option in document["options"] if option["chip"] == chip and option["cache"] == _CACHE]
    kinds = list(dict.fromkeys(option["precision"] for option in sorted(own, key=_kind)))
    held = {option["precision"]: option["weights"] for option in own}
    rows = []
    for batch in sorted({option["batch"] for option in own}):
        cells = [_cheapest([o for o in own if o["batch"] == batch and o["precision"] == kind]) for kind in kinds]
        rows.append([f"{batch:,}", *cells])
    return ["at a time", *(_column(document, kind, held[kind]) for kind in kinds)], rows


def _kind(option: Record) -> int:
    order = (_PUBLISHED, "bf16", "fp16", "fp8", "int8", "int4")
    return order.index(option["precision"]) if option["precision"] in order else len(order)


def _column(document: Record, kind: str, held: str) -> str:
    if kind == _PUBLISHED:
        published = document["model"]["precision"]
        return f"{held}, {_PUBLISHED}" if held == published else f"{held}, published in {published}"
    sure = all(option["measured_precision"] for option in document["options"] if _is_plain(option, kind))
    return kind if sure else f"{kind} (guess)"


def _is_plain(option: Record, kind: str) -> bool:
    return bool(option["precision"] == kind and option["cache"] == _CACHE)


def _cheapest(options: Iterable[Record]) -> str:
    borne = [option for option in options if option["borne"]]
    if not borne:
        return "–"
    best = min(borne, key=lambda option: option["energy_j_per_token"]["mid"])
    chips = f", ×{best['chip_count']}" if best["chip_count"] > 1 else ""
    mark = "~ " if best["extrapolated"] and best["measured_precision"] else ""
    return f"{mark}{quantity_text(best['energy_j_per_token'], 'J')}\n{quantity_text(best['step_s'], 's')}{chips}"


def legend_text(document: Record) -> str:
    """Return what the cells of the table hold."""
    limit = document["load"]["step_s"]
    late = f", or no number of chips writes a token within {format_si(limit, 's')}" if limit else ""
    return (
        "Joules per output token, of the number of chips (×N) that takes least; below them the time between two "
        f"tokens. The cache is as wide as the arithmetic. – : does not fit{late}.{_extrapolated(document)}"
    )


def _extrapolated(document: Record) -> str:
    """Return what ~ means, where it stands in the table."""
    if not any(option["extrapolated"] and option["measured_precision"] for option in document["options"]):
        return ""
    least = document["pairs"]["least_batch"]
    return f" ~ : extrapolated; no other precision was measured beside BF16 below {least:,.0f} at a time."


def known_by(option: Record) -> str:
    """Return what a setting rests on: runs that were measured, those extrapolated, or a guess."""
    if not option["measured_precision"]:
        return "a guess"
    return "extrapolated from measured runs" if option["extrapolated"] else "runs that were measured"


def _ranked(document: Record) -> list[str]:
    lines = []
    for option in [one for one in document["options"] if one["borne"]][:_MOST_RANKED]:
        is_plain = option["measured_precision"] and not option["extrapolated"]
        guess = "" if is_plain else f", {known_by(option)}"
        energy, step = interval_text(option["energy_j_per_token"], "J"), quantity_text(option["step_s"], "s")
        lines.append(f"{setting_words(option)}: {energy} a token, {step} between tokens{guess}")
    return lines


def recipe_sentences(document: Record) -> list[str]:
    """Return which recipes there are, and why there is none for a precision."""
    told = []
    for one in document["recipes"]:
        texts = ", needs texts to calibrate on" if one["needs_texts"] else ""
        told.append(f"{one['name']}: {one['precision']} by {one['tool']}{texts}")
    return [*told, *(f"none for {one['precision']}: {clean(one['reason'])}" for one in document["no_recipe"])]


def _section(title: str, lines: Iterable[str]) -> list[RenderableType]:
    found = [Padding(Text(f"- {line}"), (0, 0, 0, 1)) for line in lines]
    return [Text(f"\n{title}", style="bold"), *found] if found else []
