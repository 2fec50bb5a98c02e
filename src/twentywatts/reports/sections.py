"""The sections of the page as HTML: tables carry every number, so the page reads without JavaScript too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twentywatts.comparison.text import accuracy_mark, accuracy_text, metric_text, points_text
from twentywatts.errors import clean, counted
from twentywatts.reports.html import Markup, bullets, join, link, section, table, tag
from twentywatts.reports.names import names_text
from twentywatts.reports.twins import twin_sentence
from twentywatts.reports.words import (
    BASELINE_CALL,
    CAUSES,
    EVIDENCE,
    baseline_sentence,
    cause_name,
    cause_shares,
    cheapest,
    evidence_legend,
    evidence_text,
    form_text,
    heading,
    interval_text,
    keeps_words,
    main_causes,
    order_text,
    quantity_text,
    ratio_words,
    reference_row,
    scenario_text,
    yardstick,
)

__all__ = ["baselines", "coverage", "heading", "machine_details", "refusals", "results", "settings", "sources", "tiles"]

Record = Mapping[str, Any]


def tiles(document: Record) -> Markup:
    """Return the four numbers to remember: cheapest, reference, best baseline, brain."""
    found = [
        _row_tile("Cheapest at held accuracy", cheapest(document)),
        _row_tile("Reference", reference_row(document)),
    ]
    if document["baselines"]:
        best = max(document["baselines"], key=lambda item: (item["accuracy"], -item["energy_j"]["mid"]))
        enough = {True: "good enough", False: "not good enough", None: "too few samples to tell"}[best["good_enough"]]
        reached = accuracy_text(best["accuracy"], document["data"]["metric"])
        found.append(_tile("Best baseline", best["name"], best, f"{reached}: {enough}"))
    brain = yardstick(document)
    if brain:
        found.append(_tile("Yardstick", brain["title"], brain, "its whole power while the reference runs"))
    return tag("div", *found, class_="tiles")


def _row_tile(heading: str, row: Record | None) -> Markup:
    if row is None:
        return tag("div", tag("p", heading, class_="tile-head"), tag("p", "none", class_="tile-value"), class_="tile")
    detail = form_text(row) if row["role"] == "reference" else f"{form_text(row)}: {ratio_words(row['ratio'])[0]}"
    return _tile(heading, row["title"], row, detail)


def _tile(heading: str, name: str, account: Record, detail: str) -> Markup:
    return tag(
        "div",
        tag("p", heading, class_="tile-head"),
        tag("p", quantity_text(account["energy_j"], "J"), class_="tile-value"),
        tag("p", clean(name), class_="tile-name"),
        tag("p", detail, class_="tile-detail"),
        class_="tile",
    )


def results(document: Record) -> Markup:
    """Return the table of all machines."""
    metric = document["data"]["metric"]
    name, limit = metric_text(metric), points_text(document["max_drop"], metric)
    headers = [
        "Machine",
        heading(name),
        "Energy per inference",
        "Against the reference",
        "Latency",
        "Main causes",
        "Evidence",
    ]
    caption = f"At most {limit} worse than the reference counts as kept. Brackets hold 90 % intervals."
    rows = [_result(row, number, metric) for number, row in enumerate(document["rows"], start=1)]
    marks = f"✓ keeps the {name}, ✗ does not, ? too few samples to tell. {order_text(document)}"
    notes = [tag("p", text, class_="legend") for text in (marks, f"{evidence_legend(document)}.")]
    return join([table(caption, headers, rows, class_="cards results"), *notes])


def _evidence(row: Record) -> Markup:
    level, _, guessed = evidence_text(row).partition(" ")
    share = tag("span", f"{guessed} guessed", class_="sub") if guessed else ""
    return join([tag("abbr", level, title=EVIDENCE[row["evidence"]]), share])


def _result(row: Record, number: int, metric: str) -> Sequence[object]:
    title = link(clean(row["title"]), f"#machine-{number}")
    name = join([title, tag("span", form_text(row) or row["role"], class_="sub")])
    return (
        name,
        _accuracy(row, metric),
        _with_bounds(row["energy_j"], "J"),
        _against(row),
        quantity_text(row["latency_s"], "s").replace(" ", "\u00a0"),
        ", ".join(text.replace(" ", "\u00a0") for text in main_causes(row)),
        _evidence(row),
    )


def _accuracy(row: Record, metric: str) -> object:
    if row["accuracy"] is None:
        return "–"
    text = accuracy_text(row["accuracy"], metric)
    if row["role"] != "candidate":
        return text
    words = keeps_words(row["keeps_accuracy"])
    mark = tag(
        "span", f"{accuracy_mark(row['keeps_accuracy'])} {words}", class_=f"sub {_mark_class(row['keeps_accuracy'])}"
    )
    return join([text, mark])


def _mark_class(keeps: bool | None) -> str:
    return {True: "yes", False: "no", None: "unsure"}[keeps]


def _with_bounds(quantity: Record, unit: str) -> Markup:
    value, _, bounds = interval_text(quantity, unit).partition(" (")
    value = value.replace(" ", "\u00a0")
    return join([value, " ", tag("span", f"({bounds}", class_="sub")]) if bounds else join([value])


def _against(row: Record) -> object:
    if row["role"] == "reference":
        return "reference"
    words, bounds = ratio_words(row["ratio"])
    first = f"{words} (yardstick)" if row["role"] == "yardstick" else words
    return join([first, tag("span", f"({bounds})", class_="sub")]) if bounds else first


def machine_details(document: Record) -> Markup:
    """Return one folded account per machine: verdict, setting, counts, causes, layers, notes, sources."""
    numbers = {key: number for number, key in enumerate(document["sources"], start=1)}
    metric = document["data"]["metric"]
    return join(_detail(row, number, numbers, metric) for number, row in enumerate(document["rows"], start=1))


def _detail(row: Record, number: int, numbers: Mapping[str, int], metric: str) -> Markup:
    short = ", ".join(text for text in (form_text(row), quantity_text(row["energy_j"], "J")) if text)
    title = (tag("strong", clean(row["title"])), tag("span", short, class_="sub"))
    return tag(
        "details",
        tag("summary", *title),
        tag("p", clean(row["verdict"])) if row["verdict"] else Markup(""),
        tag("p", twin_sentence(row, metric)) if row["twin"] else Markup(""),
        _facts(row),
        _cause_table(row),
        _layer_table(row),
        bullets((clean(note) for note in [*row["notes"], *row["not_covered"]]), class_="notes"),
        _footnotes(row, numbers),
        id=f"machine-{number}",
    )


def _facts(row: Record) -> Markup:
    facts = {
        "Energy": interval_text(row["energy_j"], "J") + f" per {row['per']}, boundary {row['boundary']}",
        "Latency": interval_text(row["latency_s"], "s") + (f", held by {row['bound']}" if row["bound"] else ""),
        "Guessed": f"{100 * row['guessed_frac']:.0f} % of the joules rest at least in part on guessed figures",
    }
    facts |= {"Counted": ", ".join(f"{_words(key)} {value:,.6g}" for key, value in row["counts"].items())}
    pairs = [tag("div", tag("dt", name), tag("dd", clean(text))) for name, text in facts.items() if text]
    return tag("dl", *pairs)


_COUNTS = {"mac_count": "multiply-accumulates", "op_count": "other operations"}


def _words(key: str) -> str:
    """Return what a count counts, in the plural: ``kernel_count`` is ``kernels``."""
    plural = key.removesuffix("_count") + "s" if key.endswith("_count") else key
    return _COUNTS.get(key, plural.replace("_", " "))


def _cause_table(row: Record) -> Markup:
    shares = dict(cause_shares(row))
    rows = [
        (
            join([cause_name(item["cause"]), tag("span", CAUSES[item["cause"]], class_="sub")]),
            _with_bounds(item["energy_j"], "J"),
            join([f"{100 * shares.get(item['cause'], 0.0):.1f}\u00a0%", _guessed(item["guessed_frac"])]),
        )
        for item in row["causes"]
    ]
    return table("By cause", ["Cause", "Energy", "Share"], rows, class_="account")


def _guessed(share_frac: float) -> Markup:
    """Return how much of a cause is guessed, nothing where nothing is."""
    if share_frac <= 0:
        return Markup("")
    share = f"{100 * share_frac:.0f}" if share_frac >= 0.005 else "<1"
    return tag("span", f"{share}\u00a0% guessed", class_="sub")


def _layer_table(row: Record) -> Markup:
    rows = [
        (
            join([clean(item["layer"]), tag("span", f"mostly {cause_name(item['main_cause'])}", class_="sub")]),
            _with_bounds(item["energy_j"], "J"),
            f"{100 * item['share_frac']:.1f}\u00a0%",
        )
        for item in row["layers"]
    ]
    return table("By layer and component", ["Layer", "Energy", "Share"], rows, class_="account")


def _footnotes(account: Record, numbers: Mapping[str, int]) -> Markup:
    marks = [link(f"[{numbers[key]}]", f"#source-{numbers[key]}") for key in account["sources"] if key in numbers]
    return tag("p", "Sources ", join(marks), class_="footnotes") if marks else Markup("")


def baselines(document: Record) -> Markup:
    """Return what simple methods reach, in words and as a table."""
    metric = document["data"]["metric"]
    headers = ["Method", heading(metric_text(metric)), "Energy per inference", "Against the reference", "Good enough"]
    rows = [
        (
            clean(item["name"]),
            accuracy_text(item["accuracy"], metric),
            _with_bounds(item["energy_j"], "J"),
            _against({**item, "role": "baseline"}),
            {True: "✓ yes", False: "✗ no", None: "? too few samples to tell"}[item["good_enough"]],
        )
        for item in document["baselines"]
    ]
    sentences = bullets(baseline_sentence(item, document) for item in document["baselines"])
    processor = clean(reference_row(document)["title"])
    caption = (
        f"Simple methods on the same data and on the same processor as the reference ({processor}), {BASELINE_CALL}."
    )
    return join([sentences, table(caption, headers, rows, class_="cards")])


def refusals(document: Record) -> Markup:
    """Return the machines that are not in the table, each with its reason."""
    rows = [(clean(item["title"]), item["family"], clean(item["reason"])) for item in document["refused"]]
    return table(
        "No published figure, no number",
        ["Machine", "Family", "Why it is not in the table"],
        rows,
        class_="cards single",
    )


def settings(document: Record) -> Markup:
    """Return model, data, scenario and what each machine was set to."""
    model, data, scenario = document["model"], document["data"], document["scenario"]
    facts = {
        "Model": f"{model['name']}: {counted(model['layer_count'], 'layer')}, "
        f"{counted(model['mac_count'], 'multiply-accumulate')}, "
        f"{counted(model['parameter_count'], 'parameter')}, {model['weight_bytes']:,} bytes",
        "SHA-256": model["sha256"],
        "Data": f"{data['name']}: {data['split']}",
        "Metric": f"{metric_text(data['metric'])} on {data['reported_count']:,} samples; "
        f"{data['tuning_count']:,} to tune on",
        "Use": scenario_text(document),
        "Uncertainty": f"{scenario['draws']:,} draws, seed {scenario['seed']}",
    }
    pairs = [tag("div", tag("dt", name), tag("dd", clean(text))) for name, text in facts.items()]
    rows = [
        (
            clean(row["title"]),
            clean(row["form"]),
            ", ".join(f"{key} = {clean(value)}" for key, value in row["setting"].items()) or "–",
        )
        for row in document["rows"]
        if row["form"]
    ]
    chosen = table(
        "The form and the setting that were chosen for each machine",
        ["Machine", "Form", "Setting"],
        rows,
        class_="cards",
    )
    return join([tag("dl", *pairs), chosen])


def coverage(document: Record) -> list[Markup]:
    """Return what to know of the numbers and what they leave out, each a section where there is any."""
    named = (("What to know", document["notes"]), ("What this does not cover", document["not_covered"]))
    return [section(title, bullets(map(clean, texts))) for title, texts in named if texts]


def sources(document: Record) -> Markup:
    """Return the numbered footnotes."""
    items = [_source(number, key, item) for number, (key, item) in enumerate(document["sources"].items(), start=1)]
    return tag("ol", *items, class_="sources")


def _source(number: int, key: str, source: Record) -> Markup:
    address = f"https://doi.org/{source['doi']}" if source["doi"] else source["url"]
    title = link(clean(source["title"]), address)
    words: Iterable[object] = (
        names_text(source["authors"]),
        f" ({source['year'] or 'no year'}). ",
        title,
        ". ",
        clean(source["venue"]),
    )
    return tag("li", *words, tag("code", f" {clean(key)}"), id=f"source-{number}", value=number)
