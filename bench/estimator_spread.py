"""Write docs/benchmarks/estimator_spread.md: what today's estimators say of one spiking network, beside a measurement.

    python bench/estimator_spread.py [--out FILE]

Nothing is timed and nothing is installed: each estimator is its published formula and constants on the same counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fit_neuromorphic import dense, network
from twentywatts.ledger import Ledger
from twentywatts.machines import load
from twentywatts.price import price
from twentywatts.price.shortcuts import dense_j, lemaire_j, shortcut_dense_j, shortcut_spiking_j, spiking_j, values_of
from twentywatts.scenario import Boundary, Scenario
from twentywatts.uncertain import Interval, interval_of
from twentywatts.units import format_interval, format_si
from twentywatts.workload import SpikingWorkload

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "estimator_spread.md"
SHAPES = ((784, 1024), (1024, 1024), (1024, 10))
STEPS, RATE = 100, 0.05
# KerasSpiking 0.3.0, ModelEnergy: joules per synaptic operation and per neuron and step, cited as facts about it. On
# processors it charges every synapse in every step.
KERAS_SPIKING = {
    "KerasSpiking, Loihi": (27.1e-12, 81e-12),
    "KerasSpiking, SpiNNaker 2": (450e-12, 2190e-12),
    "KerasSpiking, SpiNNaker": (13.3e-9, 26e-9),
}
# run once with SpikingJelly 2.0.0 on this network; the library is not needed here
SPIKINGJELLY_J = {"SpikingJelly 2.0.0, NeuroMC": 287e-6, "SpikingJelly 2.0.0, simple (0.9/4.6 pJ and memory)": 978e-6}
MEASURED_J = (372e-6, 272e-6)  # Loihi, keyword spotting: total, above idle (arXiv:1812.01739 and its authors' logs)


def counts(workload: SpikingWorkload) -> tuple[float, float]:
    """Return synaptic operations and neuron updates of an inference."""
    return float(workload.synaptic_events.sum()), float(workload.neuron_count.sum()) * workload.timesteps


def ours(workload: SpikingWorkload, machine: str) -> Ledger:
    """Return the ledger of a chip alone."""
    return price(workload, load(machine), Scenario(boundary=Boundary.CHIP))


def estimators(workload: SpikingWorkload, shapes: Sequence[tuple[int, int]]) -> dict[str, float]:
    """Return joules per inference by estimator."""
    events, updates = counts(workload)
    values = values_of(draws=0)
    layers = [float(each) for each in workload.synaptic_events.sum(axis=-1)]
    found = {"0.9 pJ per operation": shortcut_spiking_j(events)}
    found["0.9 pJ per operation, times the rate again"] = shortcut_spiking_j(events) * _rate(workload)
    for name, bits in (("a word costs a full access", 64), ("a word costs half an access", 32)):
        joules = lemaire_j(shapes, layers, values, timesteps=workload.timesteps, access_bits=bits)
        found[f"Lemaire 2022, {name}"] = float(joules[0])
    found |= {name: events * synop + updates * neuron for name, (synop, neuron) in KERAS_SPIKING.items()}
    return found


def _rate(workload: SpikingWorkload) -> float:
    return float(workload.spikes.sum() / (workload.neuron_count.sum() * workload.timesteps))


def page() -> str:
    """Return the report as Markdown."""
    work = dense(SHAPES, rate=RATE, timesteps=STEPS)
    return "\n".join([*_spread(work), *_keywords()]) + "\n"


def _spread(work: SpikingWorkload) -> list[str]:
    events, updates = counts(work)
    said = estimators(work, SHAPES) | SPIKINGJELLY_J
    without_rate_again = {name: joules for name, joules in said.items() if "again" not in name}
    width = max(without_rate_again.values()) / min(without_rate_again.values())
    loihi = {name: joules for name, joules in said.items() if "SpiNNaker" not in name and "again" not in name}
    values = values_of(draws=1000)
    macs = float(sum(inputs * outputs for inputs, outputs in SHAPES))
    memory = interval_of(spiking_j(events, values, update_count=updates))
    ledgers = {name: ours(work, name) for name in ("loihi", "spinnaker2", "spinnaker")}
    return [
        "# The spread of today's estimators",
        "",
        "Written by `bench/estimator_spread.py`; do not edit. One network, 784-1024-1024-10, leaky "
        f"integrate-and-fire, {STEPS} steps, {100 * RATE:g} % of inputs and neurons spike in a step: {events:,.0f} "
        f"synaptic operations and {updates:,.0f} neuron updates per inference. Every estimator gets the same counts.",
        "",
        "| estimator | joules per inference | over 0.9 pJ per operation |",
        "|---|---|---|",
        *_lines(said, min(without_rate_again.values())),
        "",
        f"A factor {_three(width)} between tools that all say *energy of the spiking network*, "
        f"{_three(max(loihi.values()) / min(loihi.values()))} without SpiNNaker. All are sums of operations: none has "
        "a static power, a time or an interval. The two lines of SpikingJelly were run once with the library.",
        "",
        "| ours | joules per inference (90 %) | static share |",
        "|---|---|---|",
        *(f"| {name}, chip | {_text(each.energy_j.interval)} | {_static(each)} |" for name, each in ledgers.items()),
        f"| 45 nm, weights and potentials counted (`review`) | {_text(memory)} | not in it |",
        "",
        f"The same network once without spikes: {macs:,.0f} MACs, {format_si(shortcut_dense_j(macs), 'J')} at 4.6 pJ, "
        f"{_text(interval_of(dense_j(macs, values)))} in int8 with memory.",
        "",
    ]


def _lines(said: dict[str, float], least: float) -> list[str]:
    ordered = sorted(said.items(), key=lambda item: item[1])
    return [f"| {name} | {format_si(joules, 'J')} | {_three(joules / least)}× |" for name, joules in ordered]


def _three(value: float) -> str:
    """Return a number with three digits and no exponent."""
    return f"{float(f'{value:.3g}'):,.10g}"


def _text(interval: Interval) -> str:
    return format_interval(interval.low, interval.mid, interval.high, "J")


def _static(ledger: Ledger) -> str:
    static = sum(spread.mid for cause, spread in ledger.by_cause().items() if cause == "static")
    return f"{100 * static / ledger.energy_j.mid:.0f} %"


def _keywords() -> list[str]:
    """Return the network that was measured: keyword spotting on Loihi."""
    work = network("390-256-[1 branches x 0 layers x 256]-256-29")
    shapes = ((390, 256), (256, 256), (256, 29))
    said = estimators(work, shapes)
    said = {name: joules for name, joules in said.items() if "SpiNNaker" not in name}
    found = ours(work, "loihi").energy_j.interval
    total, dynamic = MEASURED_J
    full = dense(shapes, rate=1.0, timesteps=work.timesteps)
    saturated = sum(
        count * joules for count, joules in zip(counts(full), KERAS_SPIKING["KerasSpiking, Loihi"], strict=True)
    )
    lines = [
        f"| {name} | {format_si(joules, 'J')} | {_three(total / joules)}× under |"
        for name, joules in sorted(said.items(), key=lambda item: item[1])
    ]
    return [
        "## Where there is a measurement",
        "",
        "Keyword spotting on Loihi, 390-256-256-29, 10 steps, 10 % of the neurons spike (assumed; the rate is not "
        f"published): {counts(work)[0]:,.0f} synaptic operations.",
        "",
        "| | joules per inference | against the measured total |",
        "|---|---|---|",
        *lines,
        f"| ours, chip (its two board figures come from this run: calibrated) | {_text(found)} "
        f"| {found.mid / total:.2f} of it |",
        f"| **measured**, total | {format_si(total, 'J')} | |",
        f"| **measured**, above idle | {format_si(dynamic, 'J')} | |",
        "",
        f"Even with every neuron spiking in every step, Loihi's constants sum to {format_si(saturated, 'J')}, "
        f"{total / saturated:.1f} times under the measured total. What is missing is no constant but a term: the power "
        "of a running board for 3.4 ms. Predictions of runs that were not used: "
        "[validation](../validation/neuromorphic.md).",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.out.write_text(page(), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
