"""Accuracy and events of the spiking form on the bundled digits network, as docs/method/spiking.md prints them.

Usage: python bench/spiking_digits.py [model.onnx]
One row per kind of weights, one column per number of timesteps: accuracy on the unseen half, and in brackets synaptic
events per multiply-accumulate of the float network (its first layer has no events: its sums are computed once).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

from twentywatts.forms import spiking
from twentywatts.forms.lowering import lower
from twentywatts.machines import SpikingTraits
from twentywatts.readers import read

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from digits_data import digits

ROWS = {
    "16 bits": (16, None),
    "9 bits": (9, None),
    "8 bits": (8, None),
    "4 bits": (4, None),
    "9 bits, 4 values": (9, 4),
}
STEPS = (1, 2, 4, 8, 16, 32)


def traits(bits: int, values: int | None) -> SpikingTraits:
    return SpikingTraits(
        weight_bits=bits,
        weight_value_count=values,
        fan_in_count=None,
        neurons_per_core_count=1024,
        synapses_per_core_count=2**20,
    )


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "examples" / "digits.onnx")
    (calibration, _), (x, y) = digits()["train"], digits()["test"]
    network = read(path)
    (name,) = lower(network).inputs
    macs = sum(p.linear.geometry.fan_in_count * b.bias.size for b in lower(network).blocks for p in b.projections)
    exact = onnxruntime.InferenceSession(path).run(None, {name: x})[0]
    print(f"float: accuracy {np.mean(exact.argmax(1) == y):.4f}, {macs:,} multiply-accumulates, {len(y)} samples\n")
    print("| weights | " + " | ".join(f"T={steps}" for steps in STEPS) + " |\n" + "|---" * (1 + len(STEPS)) + "|")
    prepared = spiking.prepare(network, {name: calibration})
    spiking.run_steps(spiking.convert(prepared, traits(8, None)), {name: x[:2]}, [1])  # compile
    start = time.process_time()
    for label, (bits, values) in ROWS.items():
        results = spiking.run_steps(spiking.convert(prepared, traits(bits, values)), {name: x}, STEPS)
        cells = []
        for result in results.values():
            right = np.mean(result.outputs.argmax(1) == y)
            cells.append(f"{right:.4f} ({result.workload.synaptic_events.sum() / macs:.2f})")
        print(f"| {label} | " + " | ".join(cells) + " |")
    print(f"\n{(time.process_time() - start) / len(ROWS):.2f} s of processor time per row, all T in one run")


if __name__ == "__main__":
    main()
