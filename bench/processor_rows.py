"""Rows of measured processors for bench/fit_processor.py: reading the files, and the chips that only the bench knows.

MLPerf (mlperf_inference_power.csv): wall power of whole systems running ResNet-50. Keyword spotting
(measured_workloads.csv): power of a device, idle and running, and inferences per second, under TensorFlow.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx

from twentywatts.counting import Counts, count, processor_workload
from twentywatts.figures import Figure
from twentywatts.machines import Machine, load
from twentywatts.units import unit_of_key
from twentywatts.workload import ProcessorWorkload

OFFLINE_BATCH = 256  # not published with the rows; beyond some tens of images the prediction hardly changes
BATCHES = {"SingleStream": 1, "MultiStream": 8, "Offline": OFFLINE_BATCH}

# Chips that are not in the product: figures that differ from a bundled relative, none of which leaves this bench.
# SI units. Seen: A2 and H100-PCIe (hmc-tech.com comparison pages, archive-lib.hpctech.co.jp for bandwidth and L2),
# RTX 4090 (waredb.com/processor/nvidia-geforce-rtx-4090), Jetson TX1 (technical.city: 0.512 TFLOP/s, 15 W). Recalled
# from datasheets, not seen: A100-PCIe, A30, Quadro K4000, TX1's bandwidth, all idle powers but those in the rows.
CHIPS: dict[str, tuple[str, dict[str, float]]] = {
    "a100-pcie-80": (
        "a100-sxm-80",
        {"memory_bandwidth_bytes_per_s": 1.935e12, "max_power_w": 300, "idle_power_w": 55},
    ),
    "h100-pcie": (
        "h100-sxm",
        {
            "peak_fp32_flop_per_s": 51.2e12,
            "peak_fp16_flop_per_s": 756e12,
            "peak_int8_op_per_s": 1513e12,
            "memory_bandwidth_bytes_per_s": 2.0e12,
            "max_power_w": 350,
            "idle_power_w": 55,
        },
    ),
    "a30": (
        "a100-sxm-80",
        {
            "peak_fp32_flop_per_s": 10.3e12,
            "peak_fp16_flop_per_s": 165e12,
            "peak_int8_op_per_s": 330e12,
            "memory_bandwidth_bytes_per_s": 0.933e12,
            "max_power_w": 165,
            "idle_power_w": 30,
            "cache_capacity_bytes": 24e6,
        },
    ),
    "a2": (
        "t4",
        {
            "peak_fp32_flop_per_s": 4.53e12,
            "peak_fp16_flop_per_s": 18.1e12,
            "peak_int8_op_per_s": 36.25e12,
            "memory_bandwidth_bytes_per_s": 0.2e12,
            "max_power_w": 60,
            "idle_power_w": 9,
            "cache_capacity_bytes": 2e6,
        },
    ),
    "rtx-4090": (
        "l4",
        {
            "peak_fp32_flop_per_s": 82.6e12,
            "peak_fp16_flop_per_s": 165e12,
            "peak_int8_op_per_s": 660e12,
            "memory_bandwidth_bytes_per_s": 1.008e12,
            "max_power_w": 450,
            "idle_power_w": 25,
            "cache_capacity_bytes": 72e6,
        },
    ),
    "quadro-k4000": (
        "t4",
        {
            "peak_fp32_flop_per_s": 1.246e12,
            "memory_bandwidth_bytes_per_s": 0.135e12,
            "max_power_w": 80,
            "idle_power_w": 14.97,
            "cache_capacity_bytes": 0.384e6,
        },
    ),
    "jetson-tx1": (
        "jetson-orin",
        {
            "peak_fp32_flop_per_s": 0.512e12,
            "memory_bandwidth_bytes_per_s": 25.6e9,
            "max_power_w": 15,
            "idle_power_w": 2.61,
            "cache_capacity_bytes": 0.256e6,
        },
    ),
}
# What a server adds per accelerator while it runs [W], (value, 90 % interval): guessed from what two-socket servers
# draw without accelerators. The product's host_power_w of the SXM modules divides a system's rated maximum, which these
# power-capped runs stay far below (8 A100 in a DGX: 385 W of wall power per GPU, host included).
HOSTS = {
    "a100-pcie-80": (75.0, 40.0, 140.0),
    "h100-pcie": (75.0, 40.0, 140.0),
    "a30": (120.0, 60.0, 240.0),
    "a100-sxm-80": (150.0, 80.0, 280.0),
    "h100-sxm": (150.0, 80.0, 280.0),
}
# of a relative's figures, those of other rates or another server do not carry over
_DROPPED = {
    "a100-pcie-80": (),
    "h100-pcie": (),
    "a30": (),
    "a2": (),
    "rtx-4090": ("host_power_w",),
    "quadro-k4000": ("host_power_w", "peak_fp16_flop_per_s", "peak_int8_op_per_s"),
    "jetson-tx1": ("peak_fp16_flop_per_s", "peak_int8_op_per_s"),
}

_ACCELERATORS = {
    "NVIDIA A100-PCIe-80GB": "a100-pcie-80",
    "NVIDIA A100-SXM-80GB": "a100-sxm-80",
    "NVIDIA H100-PCIe-80GB": "h100-pcie",
    "NVIDIA H100-SXM-80GB": "h100-sxm",
    "NVIDIA A30": "a30",
    "NVIDIA A2": "a2",
    "NVIDIA L4": "l4",
    "NVIDIA GeForce RTX 4090": "rtx-4090",
    "NVIDIA GeForce RTX 4090 (Ada Lovelace)": "rtx-4090",
    "NVIDIA Jetson AGX Orin": "jetson-orin",
    "NVIDIA Jetson AGX Orin 32G": "jetson-orin",
    "NVIDIA Jetson AGX Orin 64G": "jetson-orin",
    "NVIDIA Orin": "jetson-orin",
}
_KWS_CHIPS = {"gpu": "quadro-k4000", "jetson": "jetson-tx1"}
_NETWORK = re.compile(r"(\d+)-(\d+)-\[(\d+) branches x (\d+) layers x (\d+)\]-(\d+)-(\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement.

    time_s: of one batch. energy_j: per inference, at the wall (wall True: the whole system) or of the device.
    uses: of what the fit takes from it: 'time', 'energy' (with predicted time), 'power' (energy at measured time).
    reason: why something is left out.
    """

    name: str
    chip: str
    workload: ProcessorWorkload
    time_s: float
    energy_j: float
    wall: bool
    uses: tuple[str, ...]
    reason: str = ""


@cache
def machine(name: str) -> Machine:
    """Return a bundled machine, or one of the bench's own."""
    if name not in CHIPS:
        return load(name)
    relative, changes = CHIPS[name]
    base = load(relative)
    figures = {key: figure for key, figure in base.figures.items() if key not in _DROPPED[name]}
    return replace(base, name=name, figures=figures | {key: _figure(key, value) for key, value in changes.items()})


def _figure(key: str, value: float) -> Figure:
    texts = {"grade": "guess", "source": "twentywatts", "where": "bench/processor_rows.py", "condition": "bench only"}
    return Figure(key=key, value=value, low=value, high=value, unit=unit_of_key(key), **texts)


@cache
def _resnet50() -> Counts:
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    return count(folder / "light_resnet50.onnx")


@cache
def resnet50(precision: str, batch: int) -> ProcessorWorkload:
    """Return ResNet-50 as counted from the network inside the onnx package (4.09 GMAC, 25.6 M parameters).

    The int8 runs hold every tensor in int8, residual sums and pooling too, so all bytes are a quarter of float's.
    """
    work = processor_workload(_resnet50(), precision="fp32", batch=batch)
    share = {"fp32": 1.0, "fp16": 0.5, "int8": 0.25}[precision]
    names = ("weight_bytes", "input_bytes", "output_bytes")
    return replace(work, precision=precision, **{name: getattr(work, name) * share for name in names})


def mlperf(path: Path) -> tuple[list[Row], dict[str, int]]:
    """Return the usable rows of MLPerf, and how many others there are by reason."""
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    left_out: dict[str, int] = {}
    rows = []
    for entry in table:
        reason = _refusal(entry)
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            rows.append(_mlperf_row(entry))
    free = {row.chip for row in rows if "capped" not in row.name}
    kept = [row for row in rows if row.chip not in free or "capped" not in row.name]
    if len(kept) < len(rows):
        left_out["runs with a power cap, of a chip that also ran without"] = len(rows) - len(kept)
    return kept, left_out


def _chip_of(entry: Mapping[str, str]) -> str:
    if entry["n_accel"] in ("", "0"):
        return "raspberry-pi-4" if "Raspberry Pi 4" in entry["system"] else ""
    return _ACCELERATORS.get(entry["accelerator"], "")


def _refusal(entry: Mapping[str, str]) -> str:
    """Return why a row cannot be predicted, or an empty text; the rules look at inputs only, never at the joules."""
    chip = _chip_of(entry)
    if entry["model"] != "resnet50":
        return "other networks than ResNet-50 (of BERT the rows do not tell the tokens per query)"
    if not chip:
        return "chips without published figures here (Qualcomm, SiMa, UntetherAI, other Arm boards, Orin NX)"
    if entry["scenario"] == "Server":
        return "the server scenario (batch and load are not published)"
    if chip == "jetson-orin" and entry["scenario"] == "Offline":
        return "Orin offline (two DLA accelerators share the work)"
    if entry["scenario"] != "Offline" and int(entry["n_accel"] or 0) > 1:
        return "streams on a system with several accelerators (the others idle)"
    return ""


def _mlperf_row(entry: Mapping[str, str]) -> Row:
    chip, scenario = _chip_of(entry), entry["scenario"]
    accelerators = max(int(entry["n_accel"] or 0), 1)
    on_board = chip == "raspberry-pi-4"
    batch = 1 if on_board and scenario == "Offline" else BATCHES[scenario]
    value = float(entry["perf_value"])
    time_s = batch * accelerators / value if scenario == "Offline" else value / 1e3
    energy_j = float(entry["wall_joules_per_unit"])
    wall_w = energy_j * batch * accelerators / time_s
    dominated = accelerators * (machine(chip).value("max_power_w") or 0.0) < 0.5 * wall_w
    capped = "MaxQ" in entry["system"] or "non MaxN" in entry["system"]
    framework = entry["framework"].split(" v")[0].split(",")[0][:24]
    name = (
        f"{entry['version']} {entry['submitter']} {accelerators}x {scenario} {framework}{' capped' if capped else ''}"
    )
    return Row(
        name=name,
        chip=chip,
        workload=resnet50("fp32" if on_board else "int8", batch),
        time_s=time_s,
        energy_j=energy_j,
        wall=True,
        uses=("time",) if dominated else ("time", "energy"),
        reason="the accelerators' limit is below half of the wall power: the host decides" if dominated else "",
    )


def keyword_spotting(path: Path) -> list[Row]:
    """Return the rows of keyword spotting whose chip is known."""
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    return list(_kws_rows(table))


def _kws_rows(table: list[dict[str, str]]) -> Iterator[Row]:
    for entry in table:
        chip = _KWS_CHIPS.get(entry["chip"])
        if not chip or not entry["workload"].startswith("KWS "):
            continue
        found = re.search(r"batch (\d+)", entry["notes"])
        batch = int(found.group(1)) if found else 1
        yield Row(
            name=entry["workload"],
            chip=chip,
            workload=_dense(entry["network"], batch),
            time_s=batch / float(entry["inf_per_s"]),
            energy_j=float(entry["metric_power_W"]) / float(entry["inf_per_s"]),
            wall=False,
            uses=("power",),
            reason="time is that of TensorFlow called from Python, which no figure of a chip contains",
        )


def _dense(text: str, batch: int) -> ProcessorWorkload:
    """Return the workload of a written network such as 390-256-[4 branches x 10 layers x 256]-256-29."""
    found = _NETWORK.match(text.strip())
    if not found:
        raise SystemExit(f"cannot read the network '{text}'")
    inputs, first, branches, depth, width, last, outputs = map(int, found.groups())
    shapes = [(inputs, first)] + [(width, width)] * (branches * depth)
    shapes += [(width * max(branches, 1) if depth else first, last), (last, outputs)]
    fan_in, fan_out = (np.array(column, dtype=float) for column in zip(*shapes, strict=True))
    return ProcessorWorkload(
        layers=tuple(f"layer {index}" for index in range(len(shapes))),
        mac_count=fan_in * fan_out * batch,
        op_count=2.0 * fan_out * batch,
        weight_bytes=4.0 * fan_in * fan_out,
        input_bytes=4.0 * fan_in * batch,
        output_bytes=4.0 * fan_out * batch,
        kernel_count=np.ones(len(shapes)),
        batch=batch,
    )


def geometric_mean(values: list[float]) -> float:
    """Return the geometric mean of positive numbers."""
    return math.exp(sum(map(math.log, values)) / len(values))
