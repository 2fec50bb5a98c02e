"""What the slimming benches share: slim one model, judge what it made on samples that it never saw, measure that anew.

A *home* is a folder with model.onnx, train.npz, data.npz and test.npz. Everything that was found is kept there.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import slim_peers
from twentywatts.comparison.bound import drop_bound, judge
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.steps.fold import fold
from twentywatts.slimming.steps.int8 import quantised, shipped_session
from twentywatts.slimming.timing.measuring import Rounds, median_interval, remeasured

LIMIT = 0.01
BATCHES = (64, 1)
GIVEN, SLIM, INT8 = "as given", "slim", "int8 alone"
METHODS = ("fold", "prune", "distil", "int8")
FRESH = Rounds(rounds=15, window_s=0.01, seed=77)


def entries_of(home: Path, *, budget_s: float, max_drop: float = LIMIT, seed: int = 0) -> dict[str, Any]:
    """Return what slim made of a home's model: run now, or read where that was done before."""
    stored = home / "slim.json"
    if not stored.exists():
        from twentywatts.slimming.job import slim

        start_s, cpu_s = time.monotonic(), time.process_time()
        result = slim(
            home / "model.onnx", home / "data.npz", train=home / "train.npz", max_drop=max_drop,
            batch=BATCHES[0], budget_s=budget_s, seed=seed, methods=METHODS,
        )  # fmt: skip
        spent = {"wall_s": time.monotonic() - start_s, "cpu_s": time.process_time() - cpu_s}
        document = {**spent, "budget_s": budget_s, **_written(result, home)}
        stored.write_text(json.dumps(document))
        print(f"{home.name}: {len(document['entries'])} candidates in {spent['wall_s']:.0f} s", flush=True)
    found: dict[str, Any] = json.loads(stored.read_text())
    return found


def _written(result: Any, home: Path) -> dict[str, Any]:
    """Keep every candidate, and what it answers to the test samples, and return what is told of them."""
    entries = []
    for entry in result.entries:
        (home / f"{entry.digest}.onnx").write_bytes(entry.candidate.content)
        entries.append({
            "name": entry.name,
            "precision": entry.precision,
            "digest": entry.digest,
            "saving": entry.saving or 1.0,
            "test": right(shipped(entry.candidate.content), home).tolist(),
        })  # fmt: skip
    fresh = result.outcome
    return {
        "entries": entries,
        "best": result.best.digest,
        "likely": result.likely.digest,
        "fresh": fresh and [fresh.best.saving.low, fresh.best.saving.mid, fresh.best.saving.high],
        "best_drop_bound": result.best.look.score.verdict.bound if result.best.look else None,
    }


def shipped(content: bytes) -> Any:
    """Return the session in which a model ships."""
    return shipped_session(content, what="the candidate")


def samples(home: Path, part: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return inputs by name and targets of one part of a home's samples."""
    session = shipped((home / "model.onnx").read_bytes())
    name = session.get_inputs()[0].name
    with np.load(home / f"{part}.npz") as found:
        return {name: found["x"]}, found["y"]


def right(session: Any, home: Path, part: str = "test") -> np.ndarray:
    """Return one flag per sample of ``part``."""
    inputs, targets = samples(home, part)
    (name, x), = inputs.items()  # fmt: skip
    answers = [np.asarray(session.run(None, {name: x[place : place + 64]})[0]) for place in range(0, len(x), 64)]
    return np.asarray(np.concatenate(answers).argmax(1) == targets)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request that every fold tried: its samples lost and gained, pooled, and what time the search saw."""

    name: str
    lost: int
    gained: int
    count: int
    accuracy: float
    saving: float
    models: tuple[Path, ...]

    @property
    def verdict(self) -> Any:
        """Of the exact bound, on the folds together."""
        return judge(self.lost, self.gained, self.count, LIMIT)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """All requests of one network, those that were asked about in their order, and the last that was proved."""

    homes: tuple[Path, ...]
    accuracy: float
    requests: tuple[Request, ...]
    asked: tuple[Request, ...]
    best: Request | None
    search_cpu_s: tuple[float, ...] = field(default=())


def accepted(homes: Sequence[Path]) -> Accepted:
    """Ask about the float cuts in ascending order, trained where they are that, up to the first that is not proved."""
    documents = [json.loads((home / "slim.json").read_text()) for home in homes]
    requests = _requests(homes, documents)
    given = next(one for one in requests if one.saving == 1.0)
    asked: list[Request] = []
    best = None
    for request in _cuts(requests):
        asked.append(request)
        if request.verdict.keeps is not True:
            break
        best = request
    return Accepted(
        homes=tuple(homes),
        accuracy=given.accuracy,
        requests=requests,
        asked=tuple(asked),
        best=best,
        search_cpu_s=tuple(document["cpu_s"] for document in documents),
    )


def _cuts(requests: Sequence[Request]) -> list[Request]:
    """Return the float cuts, the smallest first; of one cut the trained one, where every fold has that."""
    found: dict[float, Request] = {}
    for one in requests:
        share = re.fullmatch(r"prune ([0-9.]+) %( → distil)?", one.name)
        if share and (share[2] or float(share[1]) not in found):
            found[float(share[1])] = one
    return [found[share] for share in sorted(found)]


def _requests(homes: Sequence[Path], documents: Sequence[dict[str, Any]]) -> tuple[Request, ...]:
    """Return the requests that every fold tried; of one name the first counts: the ladder's, not the search's."""
    found = []
    counts = [dict.fromkeys(entry["name"] for entry in document["entries"]) for document in documents]
    base = [np.array(document["entries"][0]["test"], dtype=bool) for document in documents]
    for name in counts[0]:
        if "int4" in name or any(name not in count for count in counts):
            continue
        entries = [next(e for e in document["entries"] if e["name"] == name) for document in documents]
        flags = [np.array(entry["test"], dtype=bool) for entry in entries]
        found.append(
            Request(
                name=name,
                lost=sum(int((was & ~now).sum()) for was, now in zip(base, flags, strict=True)),
                gained=sum(int((~was & now).sum()) for was, now in zip(base, flags, strict=True)),
                count=sum(map(len, base)),
                accuracy=float(np.concatenate(flags).mean()),
                saving=statistics.median(entry["saving"] for entry in entries),
                models=tuple(home / f"{entry['digest']}.onnx" for home, entry in zip(homes, entries, strict=True)),
            )
        )
    return tuple(found)


def request_of(home: Path, document: Mapping[str, Any], digest: str) -> Request:
    """Return one candidate of a single home."""
    was = np.array(document["entries"][0]["test"], dtype=bool)
    entry = next(entry for entry in document["entries"] if entry["digest"] == digest)
    now = np.array(entry["test"], dtype=bool)
    return Request(
        name=entry["name"],
        lost=int((was & ~now).sum()),
        gained=int((~was & now).sum()),
        count=len(was),
        accuracy=float(now.mean()),
        saving=entry["saving"],
        models=(home / f"{digest}.onnx",),
    )


def int8_alone(home: Path) -> bytes:
    """Return the model as given, quantised and nothing else."""
    inputs, _ = samples(home, "train")
    return quantised(fold(Candidate(content=(home / "model.onnx").read_bytes())), inputs).content


Savings = dict[int, dict[str, list[float]]]  # by batch and competitor, one for each fold
Losses = dict[str, tuple[int, int, int]]  # by competitor: lost, gained, samples


def measured(table: Accepted) -> tuple[Savings, Losses]:
    """Return what all save on each fold, measured anew in turns, and what the competitors lose of the test samples."""
    found: Savings = {}
    lost: dict[str, list[int]] = {}
    for place, home in enumerate(table.homes):
        chosen = table.best.models[place].read_bytes() if table.best else (home / "model.onnx").read_bytes()
        models = {GIVEN: (home / "model.onnx").read_bytes(), SLIM: chosen, INT8: int8_alone(home)}
        openers: dict[str, Callable[[], Any]] = {name: _opener(content) for name, content in models.items()}
        inputs, _ = samples(home, "train")
        openers |= slim_peers.openers(home / "model.onnx", inputs)
        for batch in BATCHES:
            for name, timing in remeasured(openers, inputs, batch=batch, plan=FRESH).items():
                found.setdefault(batch, {}).setdefault(name, []).append(timing.saving.mid)
        was = right(openers[GIVEN](), home)
        for name in [name for name in openers if name not in (GIVEN, SLIM)]:
            now = right(openers[name](), home)
            sums = lost.setdefault(name, [0, 0, 0])
            for column, more in enumerate(((was & ~now).sum(), (~was & now).sum(), len(was))):
                sums[column] += int(more)
    return found, {name: (sums[0], sums[1], sums[2]) for name, sums in lost.items()}


def _opener(content: bytes) -> Callable[[], Any]:
    return lambda: shipped(content)


def printed(tables: Mapping[str, Accepted]) -> None:
    """Measure, and print the tables of a bench."""
    found = {name: measured(table) for name, table in tables.items()}
    _print_chosen(tables)
    print_savings({name: savings for name, (savings, _) in found.items()})
    print_losses({name: losses for name, (_, losses) in found.items()})
    _print_requests(tables)


def print_losses(losses: Mapping[str, Losses]) -> None:
    """Print what the competitors lose."""
    print("Lost and gained by the competitors, and the 95 % bound of their drop:\n")
    for name, table in losses.items():
        told = ", ".join(f"{who} {lost} lost, {gained} gained of {count} ({100 * drop_bound(lost, gained, count):.2f})"
                         for who, (lost, gained, count) in table.items())  # fmt: skip
        print(f"- {name}: {told}")


def _print_chosen(tables: Mapping[str, Accepted]) -> None:
    print("| network | accuracy as given | what is taken | its accuracy | lost, gained of n | 95 % bound of the drop |")
    print("|---|---|---|---|---|---|")
    for name, table in tables.items():
        best = table.best
        if best is None:
            print(f"| {name} | {100 * table.accuracy:.2f} % | as given: nothing was proved | | | |")
            continue
        print(f"| {name} | {100 * table.accuracy:.2f} % | {best.name} | {100 * best.accuracy:.2f} % | {best.lost}, "
              f"{best.gained} of {best.count} | {100 * best.verdict.bound:.2f} points |")  # fmt: skip


def print_savings(savings: Mapping[str, Mapping[int, Mapping[str, list[float]]]]) -> None:
    is_one = all(len(times) == 1 for one in savings.values() for batch in one.values() for times in batch.values())
    how = "of one measurement" if is_one else "median over folds (range)"
    print(f"\nTimes less processor time than the network as given (onnxruntime, float), {how}:\n")
    names = list(dict.fromkeys(who for one in savings.values() for batch in one.values() for who in batch))[1:]
    print("| network | batch | " + " | ".join(names) + " |\n" + "|---" * (2 + len(names)) + "|")
    for network, batches in savings.items():
        for batch, found in batches.items():
            cells = [_cell(found[who]) if who in found else "" for who in names]
            print(f"| {network} | {batch} | " + " | ".join(cells) + " |")
    for batch in () if is_one else BATCHES:
        middle = [statistics.median(one[batch][SLIM]) for one in savings.values()]
        print(f"\nBatch {batch}: median over the networks {statistics.median(middle):.2f}, least {min(middle):.2f}")
    print()


def _cell(values: Sequence[float]) -> str:
    middle = f"{median_interval(values).mid:.2f}"
    return f"{middle} ({min(values):.2f}-{max(values):.2f})" if len(values) > 1 else middle


def _print_requests(tables: Mapping[str, Accepted]) -> None:
    print("\nEvery request that all folds tried, on the test samples of the folds pooled (asked: in the walk):\n")
    print("| network | request | times less, in the search | lost, gained | bound, points | asked, proved |")
    print("|---|---|---|---|---|---|")
    for name, table in tables.items():
        for one in sorted(table.requests, key=lambda one: one.saving)[1:]:
            asked = ("yes, yes" if one.verdict.keeps else "yes, no") if one in table.asked else ""
            print(f"| {name} | {one.name} | {one.saving:.2f} | {one.lost}, {one.gained} | "
                  f"{100 * one.verdict.bound:.2f} | {asked} |")  # fmt: skip
    print("\nProcessor time of one slim [s], median and largest over the folds: " + "; ".join(
        f"{name} {statistics.median(table.search_cpu_s):.0f}, {max(table.search_cpu_s):.0f}"
        for name, table in tables.items()))  # fmt: skip
