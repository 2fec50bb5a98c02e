"""Measured runs of language models as rows: what was asked, on what, and the joules that a counter gave."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from twentywatts.architecture import Architecture
from twentywatts.counting.decoder import decoder_workload
from twentywatts.counting.precision import precision_of
from twentywatts.counting.use import DecoderUse
from twentywatts.errors import ModelError
from twentywatts.readers.architectures import load_architecture
from twentywatts.uncertain import Array
from twentywatts.workload_decoder import DecoderWorkload, Parallelism

__all__ = ["PROMPTS", "Row", "read_rows", "workload_of"]

# tokens of a prompt by task: no row says them. Assumed; the fit may move each within a factor of about 2 (90 %).
PROMPTS = {
    "lm-arena-chat": 250.0,
    "gpqa": 250.0,
    "sourcegraph-fim": 1500.0,
    "image-chat": 1200.0,
    "video-chat": 2000.0,
    "chat": 350.0,
    "code": 250.0,
    "image-question": 1.0,  # times the tokens that the model makes of an image, below
}
# tokens of one image and its question, as each vision model of the older runs counts them
IMAGES = {"llava-1.5": 640.0, "llava-next": 2200.0, "phi-3-vision": 2000.0, "chameleon": 1090.0}
# checkpoints of one pretraining: precision, vision, thinking and coder siblings are left out together
GROUPS = (
    ("qwen3-coder-480b", "qwen3-coder-480b"),
    ("qwen3-.*30b", "qwen3-30b"),
    ("qwen3-.*235b", "qwen3-235b"),
    ("qwen3-.*32b", "qwen3-32b"),
    ("qwen3-(vl-)?8b", "qwen3-8b"),
    ("deepseek-(v3|r1)", "deepseek-v3"),
    ("llama-3.*70b", "llama-3-70b"),
    ("llama3-llava|llama-3.*8b", "llama-3-8b"),
    ("llama-3.*405b", "llama-3-405b"),
    ("llava-1.5-7b|codellama-7b", "llama-2-7b"),
    ("llava-1.5-13b|codellama-13b", "llama-2-13b"),
    ("phi-3-(mini|vision)", "phi-3-mini"),
    ("nemotron-nano-9b", "nemotron-nano-9b"),
    ("nemotron-nano-12b", "nemotron-nano-12b"),
)
_MOST_JOINED = 0.35  # share of steps with a prompt in them, up to which the median step has none
MACHINES = {"B200": "b200", "H100": "h100-sxm", "A100": "a100-sxm-40"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured run.

    energy_j: per output token, all GPUs. step_s: seconds per token and sequence (batch over throughput).
    between_s: median seconds between tokens, 0 where not told or where it is not that of a plain decode step.
    is_contended: one of several runs that shared a host, as its task and place tell (see docs/validation/decoders.md).
    """

    software: str
    machine: str
    model: str
    group: str
    task: str
    precision: str
    batch: float
    output_tokens: float
    parallelism: Parallelism
    energy_j: float
    step_s: float
    is_routed: bool
    prompt_tokens: float
    between_s: float = 0.0

    @property
    def contention(self) -> str:
        """Name of the contention that this run may have met, or empty."""
        alone = self.parallelism.chip_count == 1 and self.machine == "b200"
        return self.task if alone else ""


def read_rows(folder: Path) -> tuple[list[Row], dict[str, int]]:
    """Return the rows of both publications, and how many are left out by reason."""
    found: list[Row] = []
    missing: dict[str, int] = {}
    for name, software in (("mlenergy_v3_llm", "vllm-2025"), ("mlenergy_v2_llm", "vllm-2024")):
        with (folder / f"{name}.csv").open(encoding="utf-8") as file:
            for record in csv.DictReader(file):
                try:
                    found.append(_row(record, software))
                except ModelError:
                    reason = f"no bundled architecture for {record['model_id']}"
                    missing[reason] = missing.get(reason, 0) + 1
    return found, missing


def _row(record: Mapping[str, str], software: str) -> Row:
    architecture = architecture_of(record["model_id"])
    short = record["model_id"].rpartition("/")[2].lower()
    task = "image-question" if any(key in _dashed(short) for key in IMAGES) else record["task"]
    prompt = next((tokens for key, tokens in IMAGES.items() if key in _dashed(short)), PROMPTS[task])
    chips, data = int(record["num_gpus"]), int(record.get("data_parallel") or 1)
    spread = chips if architecture.is_routed and software == "vllm-2025" else 1
    batch = max(float(record["avg_batch_size"]), 1.0)
    return Row(
        software=software,
        machine=next(name for key, name in MACHINES.items() if key in record["gpu_model"]),
        model=record["model_id"],
        group=group_of(short),
        task=task,
        precision="fp8" if record.get("weight_precision") == "fp8" else "bf16",
        batch=batch,
        output_tokens=float(record["avg_output_len"]),
        parallelism=Parallelism(tensor=chips // data, data=data, expert=spread),
        energy_j=float(record["energy_per_token_joules"]),
        step_s=batch / float(record["output_throughput_tokens_per_sec"]),
        is_routed=architecture.is_routed,
        prompt_tokens=prompt,
        between_s=_between_s(record, batch),
    )


def _between_s(record: Mapping[str, str], batch: float) -> float:
    """Return the median seconds between tokens where few enough steps carry a prompt for it to be a plain step's.

    Of B sequences each ends with probability 1 / output length, and its successor's prompt joins a step.
    """
    length = max(float(record["avg_output_len"]), 2.0)
    joined = 1.0 - (1.0 - 1.0 / length) ** batch
    told = record.get("median_itl_ms") and joined < _MOST_JOINED
    return float(record["median_itl_ms"]) / 1e3 if told else 0.0


def _dashed(short: str) -> str:
    return short.replace("llama3-llava-next", "llava-next")


def group_of(short: str) -> str:
    """Return the base model that a checkpoint comes from, by its name."""
    return next((group for pattern, group in GROUPS if re.search(pattern, short)), short)


# how a published checkpoint is called here, where its own name is no alias
_SUFFIXES = re.compile(
    r"-(fp8|instruct|thinking|it|hf|2507|2407|0528|bf16|instruct-v0\.\d|4k-instruct|8k-instruct|128k-instruct|v0\.\d)$"
)


@cache
def architecture_of(model_id: str) -> Architecture:
    """Return the architecture of a checkpoint: by its id, else by its name without what does not change its shape."""
    for name in _candidates(model_id):
        try:
            return load_architecture(name)
        except ModelError:
            continue
    raise ModelError(f"no bundled architecture for '{model_id}'")


def _candidates(model_id: str) -> Iterator[str]:
    """Yield names without a publisher, so that nothing is asked of the hub."""
    name = model_id.rpartition("/")[2].lower()
    while True:
        yield name
        yield name.replace("meta-", "").replace("nvidia-", "")
        shorter = _SUFFIXES.sub("", name)
        if shorter == name:
            break
        name = shorter
    for old, new in (("-vl", ""), ("-omni", ""), ("qwen3-coder-30b", "qwen3-30b"), ("phi-3-vision", "phi-3-mini")):
        yield name.replace("nvidia-", "").replace(old, new)
    for old, new in (("llava-1.5-", "llama-2-"), ("codellama-", "llama-2-"), ("llama3-llava-next-", "llama-3.1-")):
        yield name.replace(old, new)


def workload_of(rows: Sequence[Row], prompt_tokens: Array | None = None) -> DecoderWorkload:
    """Return the workload of rows of one model in one place; prompts: an array (..., rows), their tasks' where None."""
    first = rows[0]
    architecture = architecture_of(first.model)
    use = DecoderUse(
        batch=[row.batch for row in rows],
        prompt_tokens=[row.prompt_tokens for row in rows] if prompt_tokens is None else prompt_tokens,
        output_tokens=[max(row.output_tokens, 2.0) for row in rows],
    )
    precision = precision_of(architecture, first.precision)
    return decoder_workload(architecture, use, precision=precision, parallelism=first.parallelism)
