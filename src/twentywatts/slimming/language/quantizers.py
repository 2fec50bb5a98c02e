"""Recipes: small programs that run llm-compressor or GPTQModel, which quantise; refused where these tools cannot.

What the tools take (names of schemes, options, model types) stands in data/quantizers.toml with the releases in which
it was read. A recipe is text: nothing is imported, nothing is quantised here.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from twentywatts.architecture import Architecture
from twentywatts.counting.precision import precision_of
from twentywatts.errors import InputError, RefusedError, clean

__all__ = ["Recipe", "recipe_of", "recipes", "write_recipes"]

_MARK = "Written by twentywatts slim."


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A program that quantises a model. needs_texts: whether it wants a file with one text a line."""

    precision: str
    tool: str
    name: str
    text: str
    needs_texts: bool


@cache
def _tools() -> Mapping[str, Any]:
    path = files("twentywatts") / "data" / "quantizers.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def recipes(architecture: Architecture, model: str = "") -> tuple[list[Recipe], dict[str, str]]:
    """Return the recipes that there are for a model, and precision → why there is none. model: its folder or hub id."""
    found, refused = [], {}
    for precision in _tools()["llm-compressor"]["schemes"]:
        try:
            found.append(recipe_of(architecture, precision, model))
        except RefusedError as error:
            refused[precision] = str(error)
    return found, refused


def recipe_of(architecture: Architecture, precision: str, model: str = "") -> Recipe:
    """Return the recipe for fp8, int8 or int4; raises RefusedError where the tools do not support the model.

    model: a folder with weights, or a hub id; where empty, the program asks for it. Four bits go to GPTQModel where it
    knows the model's type, else to llm-compressor.
    """
    held = precision_of(architecture)
    if min(held.weights.linear, held.weights.experts) < 16:
        raise RefusedError(f"the published weights are {held.name} already: these tools start from 16 or 32 bits")
    gptq, general = _tools()["gptqmodel"], _tools()["llm-compressor"]
    kind = architecture.model_type
    if precision in gptq["bits"] and kind in gptq["model_types"].split():
        return _gptq(precision, model)
    if precision not in general["schemes"]:
        raise RefusedError(f"no tool is known that stores weights in {precision}; {', '.join(general['schemes'])} are")
    if kind in general["unfit_types"]:
        raise RefusedError(f"llm-compressor quantises layers of the class Linear; {general['unfit_types'][kind]}")
    return _general(precision, model)


def _head(tool: str, precision: str, *, with_texts: bool) -> list[str]:
    """Return the first lines of a program: what it is, how it is called."""
    entry = _tools()[tool]
    texts = " TEXTS.txt: what the model serves, one text a line, some hundreds." if with_texts else ""
    return [
        f'"""Quantise a language model to {precision} with {entry["title"]} {entry["release"]}. {_MARK}',
        "",
        f"    {entry['install']}",
        f"    python quantise-{precision}.py MODEL{' TEXTS.txt' if with_texts else ''}",
        "",
        f"MODEL: a folder with the weights, or a hub id.{texts}",
        "Its joules are predicted; what accuracy it keeps is not: evaluate it before it serves.",
        '"""',
        "",
        "import sys",
        "from pathlib import Path",
        "",
    ]


def _arguments(model: str, precision: str, *, with_texts: bool) -> list[str]:
    """Return the lines that read the arguments; ``model`` is what stands for MODEL where none is given."""
    lines = ["given = sys.argv[1:]"]
    if with_texts:
        lines.append('texts = Path(given.pop()).read_text(encoding="utf-8").splitlines() if given else []')
    lines.append(f"model = given[0] if given else {json.dumps(model) if model.isascii() else ascii(model)}")
    lines += [f"if not model{' or not texts' if with_texts else ''}:", "    sys.exit(__doc__)"]
    return [*lines, f'out = f"{{Path(model).name}}-{precision}"']


def _general(precision: str, model: str) -> Recipe:
    entry = _tools()["llm-compressor"]
    with_texts = precision in entry["calibrated"]
    modifier = "GPTQModifier" if with_texts else "QuantizationModifier"
    room = "gptq" if with_texts else "quantization"
    lines = _head("llm-compressor", precision, with_texts=with_texts)
    lines += ["from datasets import Dataset"] if with_texts else []
    lines += ["from llmcompressor import oneshot", f"from llmcompressor.modifiers.{room} import {modifier}", ""]
    lines += _arguments(model, precision, with_texts=with_texts)
    lines += [f"ignored = {json.dumps(entry['ignored'])}"]
    lines += [f'recipe = {modifier}(targets="Linear", scheme="{entry["schemes"][precision]}", ignore=ignored)']
    options = "model=model, recipe=recipe, output_dir=out"
    if with_texts:
        lines += ['options = {"dataset": Dataset.from_dict({"text": texts}), "num_calibration_samples": len(texts)}']
        options += ", max_seq_length=2048, **options"
    return _recipe(precision, "llm-compressor", [*lines, f"oneshot({options})"], with_texts=with_texts)


def _gptq(precision: str, model: str) -> Recipe:
    entry = _tools()["gptqmodel"]
    lines = _head("gptqmodel", precision, with_texts=True)
    lines += ["from gptqmodel import GPTQConfig, GPTQModel", ""]
    lines += _arguments(model, precision, with_texts=True)
    lines += [f"config = GPTQConfig(bits={entry['bits'][precision]}, group_size={entry['group_size']}, sym=True)"]
    lines += ["quantised = GPTQModel.load(model, config)", "quantised.quantize(texts, batch_size=1)"]
    return _recipe(precision, "gptqmodel", [*lines, "quantised.save(out)"], with_texts=True)


def _recipe(precision: str, tool: str, lines: list[str], *, with_texts: bool) -> Recipe:
    lines.append('print(f"written: {out}")')
    return Recipe(
        precision=precision,
        tool=_tools()[tool]["title"],
        name=f"quantise-{precision}.py",
        text="\n".join(lines) + "\n",
        needs_texts=with_texts,
    )


def write_recipes(found: list[Recipe], folder: Path) -> list[Path]:
    """Write recipes into a folder, which is made where it is missing; raises InputError before anything is overwritten.

    Only a file that this function wrote is written anew.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for recipe in found:
            path = folder / recipe.name
            if os.path.lexists(path) and not _is_ours(path):
                raise InputError(f"'{clean(path)}' is there and was not written by this command: name another folder")
        for recipe in found:
            (folder / recipe.name).write_text(recipe.text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write to '{clean(folder)}': {error.strerror or error}") from error
    return [folder / recipe.name for recipe in found]


def _is_ours(path: Path) -> bool:
    """Tell a plain file that begins as a recipe does; a link, a pipe or a device is never opened."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return _MARK in file.read(500)
