# ruff: noqa: E501
"""Print how long a million estimates take: models × chips × batches × lengths, counted and priced.

python bench/estimate_speed.py [--docs FILE]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twentywatts.counting.decoder import decoder_workload
from twentywatts.counting.use import DecoderUse
from twentywatts.errors import TwentyWattsError
from twentywatts.machines import bundled_names, load
from twentywatts.price.decoder import decoder_price
from twentywatts.readers.architectures import architecture_names, load_architecture
from twentywatts.workload_decoder import Parallelism

WANTED = 1_000_000
BATCHES = np.geomspace(1, 512, 28)
PROMPTS = np.geomspace(50, 20_000, 8)[:, None]
OUTPUTS = np.geomspace(20, 5_000, 4)[:, None, None]
CHIPS = 8


def machines() -> list[str]:
    """Return the names of the processors that can be priced."""
    return [name for name in bundled_names() if load(name).family == "processor" and not load(name).refused]


def run() -> tuple[int, int, int, float]:
    """Return estimates, models, chips and seconds; each model on every chip, at every batch and length."""
    chips = [load(name) for name in machines()]
    use = DecoderUse(batch=BATCHES, prompt_tokens=PROMPTS, output_tokens=OUTPUTS)
    count = models = 0
    start = time.process_time()
    for name in architecture_names():
        if count >= WANTED:
            break
        architecture = load_architecture(name)
        if not architecture.main.causal:
            continue
        spread = CHIPS if architecture.is_routed else 1
        try:
            workload = decoder_workload(architecture, use, parallelism=Parallelism(tensor=CHIPS, expert=spread))
        except TwentyWattsError:
            continue
        models += 1
        for chip in chips:
            found = decoder_price(workload, chip)
            assert np.all(np.isfinite(found.energy_j))
            count += found.energy_j.size
    return count, models, len(chips), time.process_time() - start


def main(arguments: Sequence[str] | None = None) -> None:
    """Time and print; write the page where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args(arguments)
    count, models, chips, seconds = run()
    text = (
        "# A million estimates\n\nWritten by `bench/estimate_speed.py --docs`: processor time of one thread on an x86-64 server in "
        "the cloud. Each language model on eight of\neach chip, at every batch and length, mid values; reading and counting the "
        "models is in the time, starting Python is not.\n\n| estimates | models × chips × (batch × lengths) | seconds | estimates a second |\n"
        f"|---|---|---|---|\n| {count:,} | {models} × {chips} × {BATCHES.size * PROMPTS.size * OUTPUTS.size:,} | {seconds:.1f} | "
        f"{count / seconds:,.0f} |\n"
    )
    print(text)
    if options.docs:
        options.docs.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
