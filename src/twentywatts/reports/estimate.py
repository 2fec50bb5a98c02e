"""An estimation in a terminal: the answer first, then machine by machine, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from twentywatts.errors import clean
from twentywatts.reports.words import (
    cause_name,
    cause_shares,
    evidence_legend,
    evidence_text,
    interval_text,
    quantity_text,
)
from twentywatts.units import format_count_interval, format_si

__all__ = [
    "ABOVE_IDLE",
    "SUM",
    "brackets_text",
    "causes_text",
    "estimation_view",
    "facts_text",
    "notes_of",
    "part_name",
    "parts_text",
    "speed_text",
    "use_text",
    "wh_quantity",
]

Record = Mapping[str, Any]

_PARTS = {"prefill": "prompt", "decode": "answer"}
SUM = (
    "what the chip draws is known only as one sum: measured runs do not tell arithmetic, memory traffic and being "
    "powered apart"
)
ABOVE_IDLE = (
    "static is what the chip would draw idle for as long, by its published idle power; what work adds to that is one "
    "sum, other: measured runs do not tell arithmetic and memory traffic apart"
)


def estimation_view(document: Record) -> RenderableType:
    """Return what `twentywatts estimate` shows of a document; print it with a rich Console."""
    parts: list[RenderableType] = [
        Text(clean(document["answer"]), style="bold"),
        Text(f"{facts_text(document)}; {use_text(document)}", style="dim"),
        _table(document),
        Text(f"{brackets_text(document)} {evidence_legend(document)}.", style="dim"),
    ]
    refused = [f"{clean(item['machine'])}: {clean(item['reason'])}" for item in document["refused"]]
    parts += _section("Refused", refused)
    parts += _section("What to know", notes_of(document))
    parts += _section("What this does not cover", map(clean, document["not_covered"]))
    return Group(*parts)


def facts_text(document: Record) -> str:
    """Return what the model is: ``Llama 3.1 8B: 8.03 G parameters, bf16, 16.1 GB``."""
    model = document["model"]
    total, active = model["parameter_count"], model["active_parameter_count"]
    used = f", {format_si(active, '')} used by a token" if active < 0.9 * total else ""
    size = format_si(model["weight_bytes"], "B")
    return clean(f"{model['title']}: {format_si(total, '')} parameters{used}, {model['precision']}, {size}")


def use_text(document: Record) -> str:
    """Return how it is used: ``500 tokens in, 300 out; boundary device``."""
    use = document["use"]
    words = [f"{key.replace('_', ' ')} {value:,.6g}" for key, value in use.items() if isinstance(value, int | float)]
    return clean(f"{', '.join(words)}{'; ' if words else ''}boundary {document['boundary']}")


def wh_quantity(energy_j: Record) -> str:
    """Return joules as watt-hours with their interval."""
    from twentywatts.units import convert

    return interval_text({key: convert(value, "J", "Wh") for key, value in energy_j.items()}, "Wh")


def speed_text(row: Record) -> str:
    """Return how fast it goes: units a second of all requests, and per user."""
    if row["unit"] != "token":
        many = f"\nfor all {row['batch']:,}" if row["batch"] > 1 else ""
        return quantity_text(row["latency_s"], "s") + many
    mine = 1.0 / row["step_s"]["mid"] if row["step_s"]["mid"] > 0 else 0.0
    every, one = (format_count_interval(value, value, value) for value in (row["units_per_s"]["mid"], mine))
    return f"{every} tok/s\n{one} per user"


def brackets_text(document: Record) -> str:
    """Return what the brackets hold and, of language models, the two speeds."""
    tokens = any(row["unit"] == "token" for row in document["rows"])
    speeds = (
        " tok/s: of all requests, the time of their prompts included; per user: while an answer is written."
        if tokens
        else ""
    )
    return f"Brackets hold 90 % intervals.{speeds}"


def causes_text(row: Record) -> str:
    """Return where the joules go by cause, with shares; nothing where they are one sum."""
    shares = cause_shares(row)
    return ", ".join(_share(cause, share) for cause, share in shares) if dict(shares).keys() != {"unsplit"} else ""


def _share(cause: str, share_frac: float) -> str:
    return f"{cause_name(cause)} {percent_text(share_frac)}"


def percent_text(share_frac: float) -> str:
    """Return a share in whole per cent; less than one is told as that, for it is not nothing."""
    return f"{100 * share_frac:.0f} %" if share_frac >= 0.01 else "<1 %"


def part_name(part: str) -> str:
    """Return a part of a request for people: ``prompt`` for prefill, ``answer`` for decode."""
    return _PARTS.get(part, clean(part))


def parts_text(row: Record) -> str:
    """Return what the parts of a request take of its joules: ``prompt 18 %, answer 82 %``."""
    total = sum(item["energy_j"]["mid"] for item in row["parts"])
    shares = [(item["part"], item["energy_j"]["mid"] / total) for item in row["parts"] if total > 0]
    if len(shares) < 2:
        return ""
    names = [(part_name(part), share) for part, share in shares[:3]]
    return ", ".join(f"{name} {percent_text(share)}" for name, share in names)


def notes_of(document: Record) -> list[str]:
    """Return every note of a document and its rows once; the last says what cannot be told apart."""
    known = [note for row in document["rows"] for note in row["notes"]]
    causes = {item["cause"] for row in document["rows"] for item in row["causes"]}
    last = [ABOVE_IDLE if "static" in causes else SUM] if "unsplit" in causes else []
    return [clean(note) for note in dict.fromkeys([*document["notes"], *known, *last])]


def _table(document: Record) -> Table:
    per = document["rows"][0]["per"]
    unit = document["rows"][0]["unit"]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("machine, batch", max_width=22)
    table.add_column(f"per {per}", max_width=26)
    table.add_column(f"per {unit}" if unit != per else "energy", max_width=24)
    table.add_column("speed", justify="right")
    table.add_column("power", justify="right")
    for row in document["rows"]:
        table.add_row(*_cells(row))
    return table


def _cells(row: Record) -> Iterable[Text]:
    under = f"\nbatch {row['batch']:,}, {evidence_text(row)}"
    yield Text(clean(row["machine"]), style="bold").append(under, style="not bold")
    told = ", ".join(_share(cause, share) for cause, share in cause_shares(row) if cause != "unsplit")
    # of a language model the rest is the answer's; of another network the first layer alone says nothing
    first = parts_text(row).partition(",")[0] if row["unit"] == "token" else ""
    yield Text(wh_quantity(row["energy_j"])).append(f"\n{first}", style="dim")
    yield Text(interval_text(row["energy_j_per_unit"], "J")).append(f"\n{told}", style="dim")
    yield Text(speed_text(row))
    power, _, ends = interval_text(row["power_w"], "W").partition(" (")
    yield Text(power).append(f"\n({ends}" if ends else "", style="dim")


def _section(title: str, lines: Iterable[str]) -> list[RenderableType]:
    found = [Padding(Text(f"- {line}"), (0, 0, 0, 1)) for line in lines]
    return [Text(f"\n{title}", style="bold"), *found] if found else []
