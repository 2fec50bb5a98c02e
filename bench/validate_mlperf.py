# ruff: noqa: E501
"""Write docs/validation/mlperf.md: wall joules per query of MLPerf Inference, each accelerator left out.

    python bench/validate_mlperf.py --data DIR [--docs FILE]

    seconds per query and accelerator = work / (peak^a × limit^(1-a) × efficiency of its kind and scenario)
                                        + latency (single stream)
    wall power = host of its kind of system + accelerators × (idle + share × (limit − idle))

The work of a benchmark and the shares are fitted on the other accelerators; what is known of the one left out is its peak, its
power limit, its idle power and how many there are. A row whose accelerator has no specification here is a miss, with the reason.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from twentywatts.uncertain import Array

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "validation" / "mlperf.md"
# 8-bit peak, dense [TOP/s], limit [W], idle [W], kind, kind of host. Those of bundled chips are their files'; the others are
# recalled from data sheets for this bench alone
CHIPS: Mapping[str, tuple[float, float, float, str, str]] = {
    "H100-SXM": (1979, 700, 100, "gpu", "server"),
    "H100-PCIe": (1513, 350, 55, "gpu", "server"),
    "A100-SXM": (624, 400, 72, "gpu", "server"),
    "A100-PCIe": (624, 300, 55, "gpu", "server"),
    "A30": (330, 165, 30, "gpu", "server"),
    "L40S": (733, 350, 35, "gpu", "server"),
    "NVIDIA A2": (36, 60, 9, "gpu", "server"),
    "NVIDIA L4": (242, 72, 17, "gpu", "server"),
    "RTX 4090": (660, 450, 25, "gpu", "desktop"),
    "Orin NX": (50, 25, 5, "soc", "board"),
    "Orin": (138, 60, 10, "soc", "board"),
    "Xavier NX": (21, 20, 4, "soc", "board"),
    "DM.2e": (70, 15, 4, "asic", "board"),
    "DM.2": (200, 25, 6, "asic", "board"),
    "HHHL Lite": (300, 55, 12, "asic", "server"),
    "Standard": (350, 75, 15, "asic", "server"),
    "Pro": (400, 75, 15, "asic", "server"),
    "Ultra": (870, 150, 30, "asic", "server"),
}
# operations per query [1e9], a first guess that the other accelerators correct
# processors alone and their graphics, by the name of the system or the accelerator: peak in float32, limit of the whole board
BOARDS: Mapping[str, tuple[float, float, float, str, str]] = {
    "Mali-G610": (0.47, 10, 3, "cpu", "none"),
    "Mali G52MP8": (0.1, 8, 3, "cpu", "none"),
    "Mali-G52 MP6": (0.08, 6, 2, "cpu", "none"),
    "Firefly-RK3588S": (0.21, 12, 3, "cpu", "none"),
    "Khadas VIM4": (0.13, 8, 3, "cpu", "none"),
    "Jetson AGX Orin": (0.42, 35, 10, "cpu", "none"),
    "Jetson AGX Xavier": (0.29, 30, 8, "cpu", "none"),
    "Odroid N2+": (0.09, 6, 2, "cpu", "none"),
    "Raspberry Pi 4": (0.048, 6.5, 2.7, "cpu", "none"),
}
SPECIFICATIONS = {**CHIPS, **BOARDS}
WORK = {
    "resnet50": 8.2, "retinanet": 300.0, "bert-99": 130.0, "bert-99.9": 250.0, "rnnt": 15.0, "3d-unet": 60_000.0,
    "dlrm": 0.3, "dlrm-v2": 3.0, "gptj": 10_000.0, "stable-diffusion-xl": 250_000.0, "llama2-70b": 60_000.0,
}  # fmt: skip
SCENARIOS = ("Offline", "Server", "SingleStream", "MultiStream")
KINDS, HOSTS = ("gpu", "soc", "asic", "cpu"), {"server": 250.0, "desktop": 80.0, "board": 8.0, "none": 0.5}
NOISE, FACTOR = 0.3, 1.5


class Rows:
    """Rows with a specification, as arrays, and the reasons why the others have none."""

    def __init__(self, path: Path) -> None:
        with path.open(encoding="utf-8") as file:
            records = list(csv.DictReader(file))
        self.total = len(records)
        self.missed: Counter[str] = Counter()
        kept = []
        for record in records:
            chip, count = _found(record)
            if not chip or not count:
                named = (
                    record["accelerator"]
                    if record["accelerator"] not in ("-", "N/A", "")
                    else "no accelerator (a processor alone)"
                )
                self.missed[f"no specification: {named}"] += 1
                continue
            kept.append((record, chip, count * int(record["n_nodes"] or 1)))
        self.records = [record for record, _, _ in kept]
        self.chip = np.array([chip for _, chip, _ in kept])
        self.count = np.array([float(count) for _, _, count in kept])
        self.energy_j = np.array([float(record["wall_joules_per_unit"]) for record in self.records])
        self.benchmark = np.array([list(WORK).index(_benchmark(record["model"])) for record in self.records])
        self.scenario = np.array([SCENARIOS.index(record["scenario"]) for record in self.records])
        spec = [SPECIFICATIONS[chip] for chip in self.chip]
        self.peak = np.array([item[0] * 1e3 for item in spec])
        self.limit_w, self.idle_w = (np.array([item[place] for item in spec]) for place in (1, 2))
        self.kind = np.array([KINDS.index(item[3]) for item in spec])
        self.host = np.array([list(HOSTS).index(item[4]) for item in spec])
        tuned = ("armnn", "tflite", "tensorrt", "nvidia inference", "qaic", "qualcomm", "jetpack", "synet", "dlpf")
        self.untuned = np.array(
            [not any(word in record["framework"].lower() for word in tuned) for record in self.records]
        )
        self.capped = np.array(
            ["maxq" in (record["platform"] + record["system"] + record["notes"]).lower() for record in self.records]
        )


def _found(record: dict[str, str]) -> tuple[str, int]:
    """Return the accelerator, or the board that computes alone, and how many; ('', 0) for none that is known."""
    chip = next((name for name in CHIPS if name in record["accelerator"]), "")
    count = int(record["n_accel"] or 0)
    if chip or count:
        small = next((name for name in BOARDS if name in record["accelerator"]), "")
        return chip or small, count
    return next((name for name in BOARDS if name in record["system"]), ""), 1


def _benchmark(model: str) -> str:
    return model if model.startswith("bert") else model.removesuffix("-99.9").removesuffix("-99")


def _layout() -> tuple[Array, Array, list[int]]:
    """Return prior means and deviations (logarithms), and where each block ends."""
    blocks = [
        (np.log(list(WORK.values())), 1.0),
        (np.full(len(WORK), np.log(1e-3)), 1.5),
        (np.full(len(KINDS) * len(SCENARIOS), np.log(0.4)), 0.6),
        (np.log(list(HOSTS.values())), 0.7),
        (np.full(len(KINDS), np.log(0.7)), 0.3),
        (np.log([0.75, 0.15]), 0.3),
        (np.log([4.0, 0.5]), 0.7),
        (np.log([0.5, 0.5]), 0.5),
    ]
    ends = np.cumsum([len(values) for values, _ in blocks])
    mean = np.concatenate([values for values, _ in blocks])
    return mean, np.concatenate([np.full(len(values), sd) for values, sd in blocks]), list(ends[:-1])


def predict(rows: Rows, x: Array, index: Array) -> Array:
    """Return wall joules per query."""
    _, _, ends = _layout()
    work, latency, efficiency, host, share, rest, more, mix = (np.exp(part) for part in np.split(x, ends))
    (capped, per_card), (untuned, lone_server) = rest, more
    scenario, kind, count = rows.scenario[index], rows.kind[index], rows.count[index]
    share_of = mix[(kind == KINDS.index("cpu")).astype(int)]
    by_peak = share_of / (
        1.0 + share_of
    )  # the rest of the rate goes with the power limit: small cards never reach a peak
    usual = 2.0e3 * rows.limit_w[index]
    rate = rows.peak[index] ** by_peak * usual ** (1.0 - by_peak) * efficiency.reshape(len(KINDS), -1)[kind, scenario]
    seconds = work[rows.benchmark[index]] / rate * np.where(rows.untuned[index], untuned, 1.0)
    alone = scenario >= 2
    waits = np.where(scenario == 2, 1.0, np.where(scenario == 3, 1.0 / 8.0, 0.0)) * latency[rows.benchmark[index]]
    limit = rows.limit_w[index] * np.where(rows.capped[index], capped, 1.0)
    swing = np.maximum(limit - rows.idle_w[index], 0.1 * limit)
    active = rows.idle_w[index] + share[kind] * swing * np.where(alone, 0.7, 1.0)
    smaller = np.where((rows.host[index] == 0) & (count <= 2), lone_server, 1.0)
    around = host[rows.host[index]] * smaller + per_card * count * limit
    busy = np.where(alone, active + (count - 1) * rows.idle_w[index], count * active)
    return np.asarray((around + busy) * (seconds + waits) / np.where(alone, 1.0, count))


def fit(rows: Rows, index: Array) -> Array:
    """Return the fitted unknowns; each accelerator and benchmark has the same weight."""
    mean, sd, _ = _layout()
    keys = [(rows.chip[n], rows.benchmark[n], rows.scenario[n]) for n in index]
    counts = Counter(keys)
    weight = np.array([counts[key] ** -0.5 for key in keys]) / NOISE

    def cost(x: Array) -> Array:
        gap = np.log(predict(rows, x, index) / rows.energy_j[index])
        soft = np.sign(gap) * NOISE * np.sqrt(2 * (np.sqrt(1 + (gap / NOISE) ** 2) - 1))
        return np.concatenate([weight * soft, (x - mean) / sd])

    return np.asarray(least_squares(cost, mean, x_scale=sd, max_nfev=80).x)


def report(rows: Rows) -> str:
    """Return the page."""
    every = np.arange(len(rows.energy_j))
    whole = predict(rows, fit(rows, every), every)
    held = np.zeros(len(every))
    for chip in sorted(set(rows.chip)):
        out = rows.chip == chip
        held[out] = predict(rows, fit(rows, every[~out]), every[out])
    inside = _within(whole, rows)
    good = _within(held, rows)
    share, calibrated = good.sum() / rows.total, inside.sum() / rows.total
    lines = [
        "# MLPerf Inference at the wall: predicted against measured",
        "",
        "Written by `bench/validate_mlperf.py`; do not edit. Wall energy per query of whole systems, closed division, v2.0 to v4.1.",
        "This is a model of the bench for whole systems (the equation stands at its head), not the product's price: work and",
        "shares are fitted, and each accelerator is predicted from its peak, its limit, its idle power and their number alone.",
        "",
        f"Within a factor {FACTOR:g} of **all {rows.total} rows**, accelerator left out: **{100 * share:.0f} %** ({good.sum()} rows). Calibrated (it was in the fit):",
        f"{100 * calibrated:.0f} %. Of the {len(every)} rows that are modelled: {100 * good.mean():.0f} % left out, median error {100 * np.median(np.abs(held / rows.energy_j - 1)):.0f} %. The aim was 70 %.",
        "",
        "| accelerator | rows | within 1.5×, left out | median predicted / measured |",
        "|---|---|---|---|",
    ]
    for chip in sorted(set(rows.chip), key=lambda name: (-int((rows.chip == name).sum()), str(name))):
        out = rows.chip == chip
        lines.append(
            f"| {chip} | {out.sum()} | {100 * good[out].mean():.0f} % | {np.median(held[out] / rows.energy_j[out]):.2f} |"
        )
    lines += ["", "| benchmark | rows | within 1.5×, left out |", "|---|---|---|"]
    for number, name in enumerate(WORK):
        out = rows.benchmark == number
        if out.any():
            lines.append(f"| {name} | {out.sum()} | {100 * good[out].mean():.0f} % |")
    lines += ["", "Misses because nothing is known of the accelerator:", ""]
    lines += [f"- {count} rows, {reason}" for reason, count in rows.missed.most_common()]
    lines += [
        "",
        "The v4.1 rows are submission-stage entries. Small cards drown in the host, whose power nobody publishes: that is most of the error.",
    ]
    return "\n".join(lines) + "\n"


def _within(predicted: Array, rows: Rows) -> Array:
    return np.asarray(np.abs(np.log(predicted / rows.energy_j)) <= np.log(FACTOR))


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, leave out, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=DOCS)
    options = parser.parse_args(arguments)
    text = report(Rows(options.data / "mlperf_inference_power.csv"))
    options.docs.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
