# ruff: noqa: E501
"""Write docs/validation/tasks.md: the order of tasks by energy in the Power Hungry Processing study, predicted.

    python bench/validate_tasks.py --data DIR [--docs FILE]

The study ran 1,000 inferences one by one on a node of eight A100 and recorded all eight; one worked. The idle power of the other
seven (60 W each, the floor of all recordings) is subtracted. Predicted: one A100 80 GB, batch 1, the older serving software.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twentywatts.errors import TwentyWattsError
from twentywatts.estimation import estimate

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "validation" / "tasks.md"
IDLE_W, IDLE_COUNT, INFERENCES = 60.0, 7, 1000
MACHINE, SOFTWARE = "a100-sxm-80", "vllm-2024"
# task → its experiments, tokens in and out; lengths are assumed but for zero-shot, where the study counts them
TASKS = {
    "text classification": ("text_classif", 100, 0),
    "token classification": ("token_classif", 40, 0),
    "masked words": ("fillmask", 40, 0),
    "extractive answers": ("qa_", 170, 0),
    "summarisation": ("summarize", 500, 15),
    "text generation": ("textgen", 20, 10),
    "zero-shot, all tasks": ("zeroshot", 60, 8),
    "images from text": ("tti", 0, 0),
}
NOT_MODELLED = "image classification (convolutions), object detection, captions"
IMAGES = {"stabilityai/stable-diffusion-xl-base-1.0": "sdxl"}


def _predicted(model: str, prompt: int, output: int) -> float | None:
    """Return joules of one inference, None where the model is not bundled."""
    if prompt == 0:
        return estimate(IMAGES[model], on=MACHINE, images=1).rows[0].ledger.energy_j.mid if model in IMAGES else None
    name = model.rpartition("/")[2]  # without a publisher, so that nothing is asked of the hub
    options = {"output_tokens": output} if output else {}
    try:
        row = estimate(name, on=MACHINE, batch=1, prompt_tokens=prompt, software=SOFTWARE, **options).rows[0]
    except TwentyWattsError:
        return None
    return row.ledger.energy_j.mid


def _measured(record: dict[str, str]) -> tuple[float, float]:
    """Return joules per inference of all eight GPUs, and without the seven that idled."""
    whole = float(record["gpu_energy_wh_mean"]) * 3600.0
    return whole / INFERENCES, (whole - IDLE_COUNT * IDLE_W * float(record["duration_s_mean"])) / INFERENCES


def report(path: Path) -> str:
    """Return the page."""
    with path.open(encoding="utf-8") as file:
        records = list(csv.DictReader(file))
    found = []
    for task, (prefix, prompt, output) in TASKS.items():
        own = [record for record in records if record["experiment"].startswith(prefix)]
        cache = {model: _predicted(model, prompt, output) for model in sorted({record["model_id"] for record in own})}
        used = [record for record in own if cache[record["model_id"]] is not None]
        if not used:
            continue
        values = np.array([(*_measured(record), cache[record["model_id"]]) for record in used], dtype=float)
        found.append((task, len(own), len(used), *np.median(values, axis=0)))
    net, predicted = np.array([row[4] for row in found]), np.array([row[5] for row in found])
    gross = np.array([row[3] for row in found])
    pairs = [(i, j) for i in range(len(found)) for j in range(i) if abs(np.log(net[i] / net[j])) > np.log(1.5)]
    right = sum((net[i] > net[j]) == (predicted[i] > predicted[j]) for i, j in pairs)
    lines = [
        "# The order of tasks: predicted against measured",
        "",
        "Written by `bench/validate_tasks.py`; do not edit. Power Hungry Processing (Luccioni, Jernite, Strubell 2024), joules per inference,",
        "medians over the models that are bundled here. **Eight GPUs were metered while one worked**: its scripts name one device, and",
        "the lowest recorded power of the eight is 476 W, that of idling. Seven times 60 W are a median of 65 % of what was",
        "recorded, and are subtracted in the second column (inferred, not proven: something else may have run on the others).",
        "",
        "| task | rows | of them predicted | eight GPUs, J | one GPU, J | predicted, J |",
        "|---|---|---|---|---|---|",
    ]
    for task, rows, used, whole, one, ours in sorted(found, key=lambda row: row[4]):
        lines.append(f"| {task} | {rows} | {used} | {whole:.3g} | {one:.3g} | {ours:.3g} |")
    rank = float(np.corrcoef(_ranks(net), _ranks(predicted))[0, 1])
    lines += [
        "",
        f"Rank correlation with the one GPU: {rank:.2f}; with all eight: {float(np.corrcoef(_ranks(gross), _ranks(predicted))[0, 1]):.2f}. Of the {len(pairs)} pairs of tasks that differ by more than a factor 1.5 the order is right in {right}.",
        "Reading tasks cost least, writing tasks an order of magnitude more, images two orders more: that is reproduced. Their absolute",
        "joules are not: the study ran PyTorch without a serving runtime, which is not what the constants were fitted to. Lengths are assumed.",
        f"Not modelled: {NOT_MODELLED}.",
    ]
    return "\n".join(lines) + "\n"


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values)).astype(float)


def main(arguments: Sequence[str] | None = None) -> None:
    """Predict, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=DOCS)
    options = parser.parse_args(arguments)
    text = report(options.data / "co2_inference.csv")
    options.docs.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
