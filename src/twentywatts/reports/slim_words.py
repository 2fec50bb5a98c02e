"""What a slimming document says, in sentences and short names: shared by the terminal table and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.comparison.text import (
    accuracy_mark,
    accuracy_text,
    is_share,
    metric_text,
    points_text,
    ratio_interval_text,
    ratio_text,
    setting_text,
)
from twentywatts.errors import clean
from twentywatts.reports.words import interval_text, quantity_text
from twentywatts.uncertain import Interval
from twentywatts.units import format_si

__all__ = [
    "advice_of",
    "advice_saving",
    "bound_text",
    "candidate_of",
    "cost_facts",
    "drawn_name",
    "drop_words",
    "effect_texts",
    "guard_text",
    "less",
    "names_of",
    "notes_of",
    "order_sentence",
    "ranking_of",
    "share_text",
    "target_best",
    "target_sentence",
    "time_text",
    "times",
    "untried_of",
    "use_text",
    "worst_text",
]

Record = Mapping[str, Any]

_ERROR = "mean-error"  # the one metric of which less is better
_NARROW = 1.02  # an interval of less than this factor comes from counts alone: it is not printed


def share_text(share: Record) -> str:
    """Return a share of what the model as given takes: ``60 % (47–79)``, without an interval of no width."""
    percent = {key: 100 * value for key, value in share.items()}
    if share["high"] <= share["low"] * _NARROW:
        return f"{percent['mid']:.3g} %"
    return interval_text(percent, "%")


def names_of(document: Record) -> dict[str, str]:
    """Return digest → a short name that no other candidate has: a second of one name carries its number."""
    found = {one["digest"]: one["name"] for one in document["candidates"]}
    for target in document.get("targets", []):
        found |= {point["digest"]: point["name"] for point in target["points"] if point["digest"] not in found}
    names: dict[str, str] = {}
    for digest, name in found.items():
        count = sum(known.partition(" #")[0] == clean(name) for known in names.values())
        names[digest] = f"{clean(name)} #{count + 1}" if count else clean(name)
    return names


def candidate_of(document: Record, digest: str) -> Record:
    """Return the candidate of a digest."""
    found: Record = next(one for one in document["candidates"] if one["digest"] == digest)
    return found


def ranking_of(document: Record) -> dict[str, Record]:
    """Return digest → processor time and saving as the search saw them, of the candidates that were timed."""
    return {one["digest"]: one for one in document["run"].get("ranking", [])}


def time_text(found: Record | None) -> str:
    """Return a candidate's processor time; with ≈ where it was measured but quickly, – where it was not timed."""
    if found is None:
        return "–"
    return f"{'≈ ' if found['timed'] == 'quick' else ''}{format_si(found['cpu_time_s'], 's')}"


def less(saving: Record, what: str = "") -> str:
    """Return a saving in words: ``3.7× less processor time (3.5–3.9×)``; below 1 it is more."""
    inverse = Interval(low=1 / saving["high"], mid=1 / saving["mid"], high=1 / saving["low"])
    words, bounds = ratio_text(inverse.mid), ratio_interval_text(inverse)
    words = " ".join(part for part in (words, what) if part)
    narrow = saving["high"] <= saving["low"] * _NARROW
    return f"{words} ({bounds})" if bounds and not narrow else words


def times(saving: float, what: str = "") -> str:
    """Return a saving without an interval in words."""
    return less({"low": saving, "mid": saving, "high": saving}, what)


def drop_words(score: Record, metric: str) -> str:
    """Return a score against the model as given: ``98.1 % (−0.3 points)``; of an error ``0.27 (+0.19)``."""
    drop = score["drop"]
    if drop == 0:
        return f"{accuracy_text(score['score'], metric)} (as given)"
    is_error = metric == _ERROR  # what is lost of it makes it larger
    change = f"{'−' if (drop > 0) is not is_error else '+'}{points_text(abs(drop), metric)}"
    return f"{accuracy_text(score['score'], metric)} ({change})"


def guard_text(guard: Record | None, metric: str) -> str:
    """Return what the guard samples said of a candidate: its score, a mark, the bound; ``not asked``."""
    if guard is None:
        return "not asked"
    mark, bound = accuracy_mark(guard["keeps"]), guard["bound"]
    lost, won = ("more", "less") if metric == _ERROR else ("lost", "won")
    said = (
        f"at most {bound_text(guard, metric)} {lost}" if bound >= 0 else f"at least {bound_text(guard, metric)} {won}"
    )
    return f"{accuracy_text(guard['score'], metric)} {mark} {said}"


def bound_text(guard: Record, metric: str) -> str:
    """Return the size of a bound; of one beyond the limit with digits that tell it from that."""
    bound = abs(guard["bound"])
    if guard["keeps"] or not is_share(metric):
        return points_text(bound, metric)
    return f"{100 * bound:.3g} points"


def untried_of(document: Record) -> list[tuple[str, str]]:
    """Return what could not be tried and why; what has one reason stands in one line."""
    found: dict[str, list[str]] = {}
    for one in document["refused"]:
        found.setdefault(clean(one["reason"]), []).append(clean(one["title"]))
    return [("; ".join(titles), reason) for reason, titles in found.items()]


def use_text(document: Record) -> str:
    """Return how the samples were used and what was allowed."""
    metric, scenario = document["data"]["metric"], document["scenario"]
    limit = points_text(document["max_drop"], metric)
    allowed = f"at most {limit} of {metric_text(metric)} may go"
    if metric == _ERROR:
        allowed = f"the {metric_text(metric)} may grow by at most {limit}"
    return clean(f"{allowed}; batch {scenario['batch']}; {document['data']['split']}")


def drawn_name(name: str) -> str:
    """Return a name for a chart: its arrows are commas, which take less room."""
    return name.replace(" → ", ", ")


def target_best(target: Record) -> Record | None:
    """Return the point that is accepted on a machine, None where none is."""
    return next((point for point in target["points"] if point["digest"] == target["best"]), None)


def target_sentence(target: Record, metric: str) -> str:
    """Return in one sentence what a machine runs best, or why it runs nothing that is proved."""
    if not target["points"]:
        return clean(target["reason"])
    best = target_best(target)
    if best is None:
        asked = [point for point in target["points"] if point["guard"] is not None]
        why = asked[-1]["guard"]["sentence"] if asked else "none looks good enough on the search samples"
        return f"nothing is proved to keep the {metric_text(metric)}: {clean(why)}"
    ratio = Interval(**best["against_given"])
    words, bounds = ratio_text(ratio.mid), ratio_interval_text(ratio)
    against = f"{words}{f' ({bounds})' if bounds else ''} {'as' if words == 'the same' else 'than'} the model as given"
    form = ", ".join(text for text in (best["form"], setting_text(best["setting"])) if text)
    if best["name"] == "as given":
        against = "no candidate is proved to take less"
    return clean(f"{best['name']}, {form}: {interval_text(best['energy_j'], 'J')}, {against}")


def order_sentence(order: Record, names: Mapping[str, str]) -> str:
    """Return where two candidates change places: who takes less on which machine, and how sure that is."""
    here, there = (Interval(**order[key]) for key in ("ratio", "other_ratio"))
    sure = "" if order["sure"] else "; within the intervals it could be otherwise"
    better, worse = (
        "the model as given" if names[order[key]] == "as given" else names[order[key]] for key in ("better", "worse")
    )
    first = f"{better} takes {_times(here)} than {worse} on {order['machine']}"
    return clean(f"{first}, but {_times(there)} on {order['other']}{sure}")


def _times(ratio: Interval) -> str:
    bounds = ratio_interval_text(ratio)
    words = ratio_text(ratio.mid)
    words = f"{100 * abs(1 - ratio.mid):.2g} % {'less' if ratio.mid < 1 else 'more'}" if words == "the same" else words
    return f"{words} ({bounds})" if bounds and ratio.high > ratio.low * _NARROW else words


def advice_of(document: Record) -> list[Record]:
    """Return all advice, predicted and measured, the most joules first."""
    found = [*document.get("advice", []), *document["run"].get("advice", [])]
    return sorted(found, key=lambda one: -one["saved_j"]["mid"])


def advice_saving(advice: Record) -> str:
    """Return what a piece of advice saves and how that is known."""
    how, _, what = clean(advice["basis"]).partition(" ")
    saving = advice["saving"]
    if how != "measured" and saving["high"] <= saving["low"] * _NARROW:
        how = "by count alone"
    return f"{less(saving, what)}, {how}"


def cost_facts(document: Record) -> dict[str, str]:
    """Return what the search itself cost, by name, in words; empty where nothing is known of it."""
    search = document["run"].get("search") or {}
    facts = {}
    for key, (name, unit) in _COSTS.items():
        value = search.get(key)
        if isinstance(value, Mapping):
            facts[name] = quantity_text(value, unit)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            facts[name] = format_si(float(value), unit)
    if search.get("why_no_joules"):
        facts["Energy"] = clean(search["why_no_joules"])
    if search.get("why_never"):
        facts["Inferences that pay it back"] = clean(search["why_never"])
    return facts


def effect_texts(document: Record) -> list[str]:
    """Return what each step on the way to what ships did, as measured in turns."""
    return [f"{clean(one['step'])}: {clean(one['sentence'])}" for one in document["run"].get("effects", [])]


def worst_text(guard: Record | None) -> str:
    """Return the class that loses most on the guard samples, nothing where none loses."""
    worst = (guard or {}).get("worst_class")
    if not worst or worst["drop"] <= 0:
        return ""
    return f"worst class {worst['label']}: {worst['after']} of {worst['sample_count']} right, {worst['before']} before"


_COSTS = {
    "wall_s": ("Time on the clock", "s"),
    "cpu_s": ("Processor time", "s"),
    "energy_j": ("Energy", "J"),
    "pays_back_count": ("Inferences that pay it back", ""),
}


def notes_of(document: Record) -> list[str]:
    """Return what a reader must know, once each: of the whole, of the candidates and of the machines.

    What the headline says first is not said again.
    """
    notes = [note for note in document["notes"] if note != document["chance"]]
    notes += [note for target in document.get("targets", []) for note in target["notes"]]
    notes += [note for one in document["candidates"] for note in one["notes"]]
    return [clean(note) for note in dict.fromkeys(notes)]
