"""The first lines of a slimmed model: what ships, what it saves, what it is proved to keep, what was not proved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.comparison.text import accuracy_text, metric_text
from twentywatts.errors import clean
from twentywatts.reports.slim_words import bound_text, candidate_of, less, names_of, ranking_of, times, worst_text
from twentywatts.reports.words import interval_text

__all__ = ["headline"]

Record = Mapping[str, Any]
_WORTH = 1.05  # a saving of less is not worth a sentence


def headline(document: Record) -> list[str]:
    """Return the answer in sentences: what ships, what it saves as measured anew, what it is proved to keep.

    Where the model is no better than one constant answer, that comes first: nothing else counts then.
    """
    best = candidate_of(document, document["best"])
    sentences = [
        _sentence(document["chance"]),
        _ships(document, best),
        _kept(document, best),
        _sentence(document["unproved"]),
        _likely(document),
    ]
    if document["run"].get("interrupted"):
        sentences.append("The search was cut short; what it had found by then is told.")
    return [sentence for sentence in sentences if sentence]


def _sentence(text: str) -> str:
    said = clean(text)
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def _ships(document: Record, best: Record) -> str:
    name = names_of(document)[best["digest"]]
    measured = document["run"].get("measured")
    if not best["steps"]:
        return _unslimmed(document)
    if measured is None:
        return f"What ships: {name}. This processor was not asked for, so nothing was measured."
    saving = less(measured["best"]["saving"], "processor time")
    ships = f"What ships ({name}) takes {saving} than the model as given, measured anew"
    return f"{ships}{_joules(measured)}."


def _unslimmed(document: Record) -> str:
    """Return why the model stays as it was given, and what may help."""
    proved = [one for one in document["candidates"] if one["guard"] and one["guard"]["keeps"] and one["steps"]]
    why = "nothing cheaper is proved to be as good"
    if proved:
        why = f"what is proved to be as good ({names_of(document)[proved[-1]['digest']]}) saves no time beyond noise"
    batch = document["scenario"]["batch"]
    hint = ""
    if batch == 1 and document["run"].get("measured") is not None:
        hint = (
            " One inference at a time, the runtime's own work can hide what smaller layers save: where inferences can "
            "wait for each other, --batch 64 asks again."
        )
    return f"The model stays as it was given: {why}.{_undecided(document)}{hint}"


def _undecided(document: Record) -> str:
    """Return what the guard samples said of the last candidate that they were asked about, and how many it takes."""
    asked = [one for one in document["candidates"] if one["guard"] and one["guard"]["keeps"] is None and one["steps"]]
    if not asked:
        return ""
    return f" Of {names_of(document)[asked[-1]['digest']]}: {clean(asked[-1]['guard']['sentence'])}."


def _joules(measured: Record) -> str:
    given, best = measured["given"]["energy_j"], measured["best"]["energy_j"]
    if given is None or best is None:
        return "; no counter of joules lives here"
    return f"; joules by the counter: {interval_text(best, 'J')} instead of {interval_text(given, 'J')}"


def _kept(document: Record, best: Record) -> str:
    guard, metric = best["guard"], document["data"]["metric"]
    if guard is None or not best["steps"]:
        return ""
    kept = f"It keeps the {metric_text(metric)}: {accuracy_text(guard['score'], metric)}"
    bound = bound_text(guard, metric)
    said = f"a loss of at most {bound}" if guard["bound"] >= 0 else f"a gain of at least {bound}"
    worst = f" ({worst_text(guard)})" if worst_text(guard) else ""
    return f"{kept} on {guard['sample_count']:,} guard samples, {said} at 95 % confidence{worst}."


def _likely(document: Record) -> str:
    """Tell what the search samples favour where the guard samples could not prove it."""
    likely = candidate_of(document, document["likely"])
    if document["likely"] == document["best"] or not likely["steps"]:
        return ""
    found = ranking_of(document).get(document["likely"])
    if found is None or found["saving"] < _WORTH:
        return ""
    saving = f", {times(found['saving'], 'processor time')}"
    guard = likely["guard"]
    said = "the guard samples were not asked" if guard is None else "the guard samples cannot prove it"
    said = "the guard samples disprove it" if guard and guard["keeps"] is False else said
    return f"On the search samples {names_of(document)[document['likely']]} looks good enough too{saving}; {said}."
