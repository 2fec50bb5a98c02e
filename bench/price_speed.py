"""How long it takes to price one network at 1,000 settings on every bundled machine (mid values, vectorised).

Method: the counts of ResNet-50 (the architecture file inside the onnx package) become one workload with a leading
axis of settings. Processors get 1,000 weight and activation widths, neuromorphic chips 1,000 spike rates, crossbars
1,000 input activities. The median processor time of 5 runs is printed; reading and counting are timed apart.
Usage: python bench/price_speed.py [model.onnx]
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from twentywatts.counting import count, processor_workload
from twentywatts.errors import TwentyWattsError
from twentywatts.machines import Machine, bundled_names, load
from twentywatts.price.accounting import costs_of
from twentywatts.scenario import Scenario
from twentywatts.workload import CrossbarWorkload, ProcessorWorkload, SpikingWorkload, Workload

SETTINGS = 1000
QUICK = Scenario(draws=0)


def workloads(model: Path) -> dict[str, Workload]:
    """Return one workload per family with a leading axis of settings."""
    counts = count(model)
    base = processor_workload(counts, precision="fp32", batch=1)
    width = np.linspace(0.25, 1.0, SETTINGS)[:, None]
    processor = replace(
        base,
        **{key: getattr(base, key) * width for key in ("weight_bytes", "input_bytes", "output_bytes")},
        **{key: np.broadcast_to(getattr(base, key), (SETTINGS, len(base.layers))) for key in ("mac_count", "op_count")},
    )
    index = np.flatnonzero(base.mac_count)
    return {"processor": processor, "neuromorphic": spiking(base, index), "crossbar": crossbar(base, index)}


def spiking(base: ProcessorWorkload, index: np.ndarray) -> SpikingWorkload:
    """Return a spiking workload with the layers' synapses and a spike rate per setting."""
    rate = np.linspace(0.01, 1.0, SETTINGS)[:, None]
    neurons = base.output_bytes[index] / 4
    events = (base.mac_count[index] * rate)[..., None]
    spikes = (neurons * rate)[..., None]
    return SpikingWorkload(
        layers=tuple(base.layers[i] for i in index),
        timesteps=1,
        neuron_count=neurons,
        fan_in_count=np.full(len(index), 64.0),
        weight_count=base.weight_bytes[index] / 4,
        synapse_count=neurons * 64,
        shared_weights=(True,) * len(index),
        synaptic_events=events,
        updates=np.broadcast_to(neurons[..., None], events.shape),
        spikes=spikes,
        spikes_in=spikes,
        mac_count=np.zeros(len(index)),
        op_count=np.zeros(len(index)),
    )


def crossbar(base: ProcessorWorkload, index: np.ndarray) -> CrossbarWorkload:
    """Return matrix products of about the layers' size, with an input activity per setting."""
    columns = np.full(len(index), 256.0)
    shape = (SETTINGS, len(index))
    return CrossbarWorkload(
        layers=tuple(base.layers[i] for i in index),
        row_count=np.broadcast_to(base.weight_bytes[index] / 4 / columns, shape),
        column_count=np.broadcast_to(columns, shape),
        group_count=np.ones(shape),
        vector_count=np.broadcast_to(base.mac_count[index] / (base.weight_bytes[index] / 4), shape),
        active_frac=np.broadcast_to(np.linspace(0.05, 1.0, SETTINGS)[:, None], shape),
        op_count=np.zeros(shape),
        output_bytes=np.broadcast_to(base.output_bytes[index] / 4, shape),
        input_bits=8,
        weight_bits=4,
        dac_bits=1,
        cell_bits=4,
        adc_bits=8,
    )


def run(machines: list[Machine], families: dict[str, Workload]) -> tuple[float, int, list[str]]:
    """Return seconds for one pass over all machines, how many settings were priced, and who refused."""
    start, priced, refused = time.process_time(), 0, []
    for machine in machines:
        try:
            priced += len(costs_of(families[machine.family], machine, QUICK).total_j())
        except TwentyWattsError as error:
            refused.append(f"{machine.name}: {str(error)[:70]}")
    return time.process_time() - start, priced, refused


def main() -> None:
    """Print the medians."""
    bundled = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=bundled)
    model = parser.parse_args().model
    start = time.process_time()
    families = workloads(model)
    print(f"read and counted {model.name} in {time.process_time() - start:.2f} s")
    machines = [load(name) for name in bundled_names()]
    machines = [machine for machine in machines if machine.family in families and not machine.refused]
    passes = [run(machines, families) for _ in range(5)]
    seconds, priced, refused = statistics.median(entry[0] for entry in passes), passes[0][1], passes[0][2]
    print(f"priced {priced:,} settings on {len(machines) - len(refused)} machines in {seconds:.2f} s (median of 5)")
    for line in refused:
        print("refused", line)


if __name__ == "__main__":
    main()
