"""The recipes of `slim` for language models, run by the tools themselves on small models with random weights.

For each family the tools' Python (--python: transformers, llmcompressor, gptqmodel where it installs) makes a model of
two layers and a tokenizer; the library writes its recipes for that folder; the tools' Python runs them, offline. What
comes out is read back: how many weight matrices are stored in the precision that the recipe names, which are not
(output layer and routers must stay), and whether the library, from the new config.json alone, counts the bytes that
the file holds. Nothing here says what a precision costs or what accuracy it keeps.
Usage: python bench/slim_recipes.py --python /path/to/python [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twentywatts.counting.decoder import weight_bytes
from twentywatts.errors import TwentyWattsError
from twentywatts.readers.architectures import load_architecture
from twentywatts.slimming.language.quantizers import Recipe, recipes, write_recipes

WORDS = "the brain runs on twenty watts and chips need more energy for less work every joule has a cause".split()
COMMON = {
    "vocab_size": 320,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
EXPERTS = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "head_dim": 32}
FAMILIES: dict[str, dict[str, object]] = {
    "Llama": {},
    "Mistral": {"head_dim": 32},
    "Qwen3": {"head_dim": 32},
    "Gemma2": {"head_dim": 32},
    "Qwen3Moe": EXPERTS,
    "Mixtral": {"num_local_experts": 8, "num_experts_per_tok": 2},
}
MAKE = """
import json, sys, torch, transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
family, sizes, folder, texts = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.manual_seed(0)
config = getattr(transformers, family + "Config")(**sizes)
getattr(transformers, family + "ForCausalLM")(config).to(torch.bfloat16).save_pretrained(folder)
plain = Tokenizer(models.BPE(unk_token="<unk>"))
plain.pre_tokenizer = pre_tokenizers.Whitespace()
special = ["<unk>", "<s>", "</s>", "<pad>"]
lines = open(texts, encoding="utf-8").read().splitlines()
plain.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=300, special_tokens=special))
names = dict(zip(("unk_token", "bos_token", "eos_token", "pad_token"), special))
transformers.PreTrainedTokenizerFast(tokenizer_object=plain, **names).save_pretrained(folder)
"""
VERSIONS = """
from importlib.metadata import PackageNotFoundError, version
for name in ("torch", "transformers", "llmcompressor", "gptqmodel"):
    try: print(name, version(name), end="; ")
    except PackageNotFoundError: print(name, "not there", end="; ")
"""
# GPTQModel does not start where it finds fewer than three cores: it is told that there are four
RUN = """
import os, runpy, sys
os.cpu_count = lambda: 4
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
STORED = {"fp8": "F8_E4M3", "int8": "I8", "int4": "I32"}  # four bits are packed into words


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one recipe."""

    family: str
    recipe: Recipe
    outcome: str
    left: str = ""
    held_bytes: int = 0
    told_bytes: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", required=True, help="a Python that has the tools")
    parser.add_argument("--folder", type=Path, help="where models and results go (default: a temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        versions = ran(given.python, ["-c", VERSIONS], folder).stdout.strip().rstrip(";")
        print(f"{versions}\n\n{HEAD}")
        for row in rows(given.python, folder.resolve()):
            print(line(row), flush=True)


HEAD = (
    "| family | recipe | tool | outcome | matrices left in 16 bits | file, bytes | counted from its config |\n"
    "|---|---|---|---|---|---|---|"
)


def line(row: Row) -> str:
    counted = f"{row.told_bytes:,.0f} ({row.told_bytes / row.held_bytes - 1:+.1%})" if row.held_bytes else "–"
    held = f"{row.held_bytes:,}" if row.held_bytes else "–"
    left = row.left or "–"
    return (
        f"| {row.family} | {row.recipe.precision} | {row.recipe.tool} | {row.outcome} | {left} | {held} | {counted} |"
    )


def rows(python: str, folder: Path) -> Iterator[Row]:
    texts = folder / "texts.txt"
    texts.write_text("\n".join(" ".join(WORDS[i % len(WORDS) :] + WORDS[: i % 7]) for i in range(64)), encoding="utf-8")
    for family, sizes in FAMILIES.items():
        model = folder / family.lower()
        made = ran(python, ["-c", MAKE, family, json.dumps({**COMMON, **sizes}), str(model), str(texts)], folder)
        if made.returncode:
            print(f"{family} could not be made: {last(made)}")
            continue
        for recipe in written(model, folder / f"{family.lower()}-recipes"):
            yield tried(python, family, recipe, model, texts)


def written(model: Path, folder: Path) -> list[Recipe]:
    """Return the recipes of a model, written to ``folder``."""
    found, refused = recipes(load_architecture(model), str(model))
    for precision, reason in refused.items():
        print(f"{model.name}: no recipe for {precision}: {reason}")
    write_recipes(found, folder)
    return found


def tried(python: str, family: str, recipe: Recipe, model: Path, texts: Path) -> Row:
    """Run a recipe and read what it wrote."""
    folder = model.parent / f"{model.name}-recipes"
    run = ran(python, ["-c", RUN, recipe.name, str(model), *([str(texts)] if recipe.needs_texts else [])], folder)
    result = folder / f"{model.name}-{recipe.precision}"
    if run.returncode or not (result / "config.json").exists():
        return Row(family=family, recipe=recipe, outcome=f"failed: {last(run)}")
    stored = tensors(result)
    wanted = STORED[recipe.precision]
    count = sum(kind == wanted and name.endswith((".weight", ".qweight")) for name, kind, _ in stored)
    left = [
        name.removesuffix(".weight") for name, kind, shape in stored if kind in ("BF16", "F16") and wide(name, shape)
    ]
    try:
        told = weight_bytes(load_architecture(result))
    except TwentyWattsError as error:
        return Row(family=family, recipe=recipe, outcome=f"{count} matrices, but not read back: {error}")
    held = sum(path.stat().st_size for path in result.glob("*.safetensors"))
    names = ", ".join(sorted({plain(name) for name in left}))
    outcome = f"{count} matrices in {wanted}"
    return Row(family=family, recipe=recipe, outcome=outcome, left=names, held_bytes=held, told_bytes=told)


def wide(name: str, shape: list[int]) -> bool:
    return len(shape) == 2 and min(shape) > 1 and name.endswith(".weight")


def plain(name: str) -> str:
    """Return a name without the numbers of layers and experts."""
    return ".".join(part for part in name.split(".") if not part.isdigit()).removeprefix("model.")


def tensors(folder: Path) -> list[tuple[str, str, list[int]]]:
    """Return name, element type and shape of every stored tensor."""
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        found += [(name, one["dtype"], one["shape"]) for name, one in header.items() if name != "__metadata__"]
    return found


def ran(python: str, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tools' Python without the net."""
    away = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [python, *arguments],
        cwd=folder,
        env={**os.environ, **away},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,  # what fails stands in the table
    )


def last(run: subprocess.CompletedProcess[str]) -> str:
    lines = [text for text in run.stderr.splitlines() if text.strip()]
    return lines[-1][:160] if lines else f"exit code {run.returncode}"


if __name__ == "__main__":
    main()
