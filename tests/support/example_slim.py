"""A made-up document of slimming with everything that one can hold."""

from __future__ import annotations

import copy
from typing import Any

Record = dict[str, Any]


def interval(mid: float, width: float = 1.5) -> Record:
    return {"low": mid / width, "mid": mid, "high": mid * width}


def score(value: float, bound: float, keeps: bool | None, count: int = 700) -> Record:
    """A score against a model as given with 0.98."""
    return {
        "score": value,
        "drop": round(0.98 - value, 6),
        "bound": bound,
        "keeps": keeps,
        "sentence": "keeps it: drop below 0.9 %" if keeps else f"{count} samples cannot tell",
        "sample_count": count,
        "lost": 2,
        "gained": 1,
    }


def step(name: str, **settings: Any) -> Record:
    return {"name": name, "settings": settings, "seed": 0, "notes": []}


def candidate(digest: str, name: str, steps: list[Record], value: float, **more: Any) -> Record:
    found = {
        "digest": digest,
        "name": name,
        "steps": steps,
        "parent": "" if not steps else "d0",
        "precision": "fp32",
        "mac_count": 86_144,
        "parameter_count": 20_930,
        "file_bytes": 85_110,
        "search": score(value, 0.0133, value > 0.97 or None, 360),
        "guard": None,
        "predicted": {
            "machine": "this-cpu",
            "energy_j": interval(1.4e-4, 3),
            "latency_s": interval(3.5e-5, 2),
            "boundary": "device",
            "evidence": "L0",
            "guessed_frac": 1.0,
        },
        "on_front": True,
        "no_effect": "",
        "notes": [],
    }
    return {**found, **more}


def point(digest: str, name: str, ratio: float, value: float, guard: Record | None) -> Record:
    return {
        "digest": digest,
        "name": name,
        "form": "spiking",
        "setting": {"timesteps": 4},
        "energy_j": interval(4e-4 * ratio, 4),
        "latency_s": interval(1e-3),
        "against_given": interval(ratio, 1.05) if ratio != 1 else interval(1.0, 1.0),
        "boundary": "device",
        "evidence": "L1",
        "guessed_frac": 0.0,
        "chip_count": 1,
        "search": score(value, 0.013, True, 360),
        "guard": guard,
        "accepted": bool(guard and guard["keeps"]),
        "on_front": True,
        "sources": ["davies2018"],
        "notes": [],
    }


def target(machine: str, points: list[Record], best: str | None, reason: str = "") -> Record:
    return {
        "machine": machine,
        "title": f"Machine {machine}",
        "family": "neuromorphic",
        "standing": "chip",
        "reason": reason,
        "best": best,
        "guard_looks": 2,
        "points": points,
        "refused": [{"name": "prune 75 % → distil", "reason": "its float outputs fall short already"}]
        if points
        else [],
        "notes": ["spiking rows are not fine-tuned on the training data: this needs torch"] if points else [],
    }


def advice(kind: str, machine: str, title: str, saving: float, saved_j: float, basis: str) -> Record:
    return {
        "kind": kind,
        "machine": machine,
        "title": title,
        "text": "each waits for the others",
        "basis": basis,
        "against": "what ships, in batches of 1",
        "saving": interval(saving, 1.1),
        "saved_j": interval(saved_j, 2),
    }


PROVED, FAILED = score(0.979, 0.0089, True), score(0.955, 0.041, False)
UNDECIDED = score(0.97, 0.02, None)
WORST = {"label": 3, "sample_count": 70, "before": 69, "after": 66, "drop": 0.043}
PRUNED = "fold → prune 50 % → distil"
SAVINGS = {"d0": 1.0, "d1": 0.9, "d2": 3.1, "d3": 3.6, "d4": 1.0}


def candidates() -> list[Record]:
    """As given; in eight bits; pruned and proved; that in eight bits and disproved; a step that did nothing."""
    pruned = [step("fold"), step("prune", ratio=0.5), step("distil")]
    small = {"guard": {**PROVED, "worst_class": WORST}, "mac_count": 24_000, "file_bytes": 21_000}
    narrow = {"parent": "d2", "guard": FAILED, "precision": "int8", "file_bytes": 9_000}
    return [
        candidate("d0", "as given", [], 0.98),
        candidate("d1", "int8", [step("int8")], 0.975, precision="int8", file_bytes=28_969, on_front=False),
        candidate("d2", PRUNED, pruned, 0.977, **small),
        candidate("d3", f"{PRUNED} → int8", [*pruned, step("int8")], 0.972, **narrow),
        candidate("d4", "zeros 50 %", [step("zeros", ratio=0.5)], 0.9, on_front=False, no_effect="no effect: noise"),
    ]


def targets() -> list[Record]:
    """One machine where a candidate is proved, one where nothing is, one that is refused."""
    better = [point("d2", PRUNED, 0.6, 0.977, PROVED), point("d0", "as given", 1, 0.98, PROVED)]
    worse = [point("d0", "as given", 1, 0.98, UNDECIDED), point("d2", PRUNED, 1.1, 0.975, None)]
    refused = target("akida", [], None, "publishes no energy per event")
    return [target("loihi", better, "d2"), target("isaac", worse, None), refused]


def run_of_it() -> Record:
    """What was measured."""
    given = {"cpu_time_s": interval(5e-5, 1.1), "energy_j": None}
    best = {"cpu_time_s": interval(1.6e-5, 1.1), "energy_j": None, "saving": interval(3.1, 1.05)}
    saves = {"standing": "saves", "sentence": "saves: 3.1 times less", "saving": interval(3.1)}
    nothing = {"standing": "no effect", "sentence": "no effect: noise", "saving": interval(1.0)}
    return {
        "measured": {"given": given, "best": best, "why_no_joules": "no live counter", "verdict": "measured anew"},
        "effects": [{"step": "fold", **nothing}, {"step": "prune 50 %", **saves}],
        "search": {
            "wall_s": 60.0,
            "cpu_s": 40.0,
            "energy_j": None,
            "why_no_joules": "no live energy counter",
            "pays_back_count": {"low": 1e5, "mid": 2e5, "high": None},
            "pays_back_basis": "measured processor time",
            "why_never": "",
        },
        "ranking": [
            {"digest": name, "cpu_time_s": 5e-5 / saving, "saving": saving, "timed": timed}
            for (name, saving), timed in zip(SAVINGS.items(), ("fresh", "quick", "fresh", "turns"), strict=False)
        ],
        "advice": [advice("batching", "this-cpu", "serve 8 inferences together", 4, 1e-4, "measured processor time")],
        "interrupted": False,
        "command": "twentywatts slim digits.onnx --data test.npz",
    }


def example_slim() -> Record:
    """The document: one candidate is proved, one is not, one step did nothing; two machines, one refused."""
    source = {"kind": "paper", "title": "Loihi", "authors": "Davies, Mike and others", "venue": "IEEE Micro"}
    order = {"machine": "loihi", "other": "isaac", "better": "d2", "worse": "d0", "sure": True}
    document = {
        "schema": "twentywatts.slim/1",
        "model": {"name": "digits.onnx", "sha256": "d0", "layer_count": 10},
        "data": {
            "name": "test.npz",
            "train_count": 718,
            "search_count": 360,
            "guard_count": 719,
            "class_count": 10,
            "metric": "accuracy",
            "split": "a seeded part of test.npz (360 samples) ranks the candidates; the other 719 guard",
        },
        "scenario": {"batch": 1, "boundary": "device", "axes": {}, "seed": 0},
        "max_drop": 0.01,
        "methods": ["fold", "prune", "distil", "int8"],
        "candidates": candidates(),
        "best": "d2",
        "likely": "d3",
        "unproved": "",
        "chance": "",
        "targets": targets(),
        "orders": [{**order, "ratio": interval(0.6, 1.05), "other_ratio": interval(1.1, 1.02)}],
        "advice": [advice("batching", "h100-sxm", "serve 64 inferences together", 64, 1e-2, "predicted joules")],
        "refused": [{"machine": "", "title": "qat", "family": "", "reason": "this needs torch"}],
        "sources": {"davies2018": {**source, "year": 2018, "url": "", "doi": "10.1109/MM.2018.112130359"}},
        "notes": ["nothing is trained on the search samples"],
        "run": run_of_it(),
    }
    return copy.deepcopy(document)  # its parts stand in this module once: whoever changes one changes his own
