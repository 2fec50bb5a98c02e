"""Compare the parameters that the config readers count with the library that writes config.json files.

    python bench/check_architectures.py [--write]

Needs torch and transformers in an environment of their own, with twentywatts on its path; nothing is downloaded and
no weight is made (meta device). --write brings the table in docs/validation and the sums that a test compares with
up to date. Each family is a tiny model that differs from its kin where families differ.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")

from twentywatts.counting.parameters import parameter_count  # noqa: E402
from twentywatts.readers.decoder import read_config  # noqa: E402

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "tests" / "unit" / "readers" / "decoder" / "families.json"
PAGE = ROOT / "docs" / "validation" / "architectures.md"
HEAD = """# Families of config.json against the library that writes them

`bench/check_architectures.py` builds a tiny model of each family with transformers {version} on torch's meta device,
adds up its parameters, and compares with what the readers count from the same fields. No weight is loaded; where the
sum differs, the reason stands beside it. A test compares the readers with these sums
(`tests/unit/readers/decoder/families.json`).

| family | parameters of the library | counted | difference | why |
|---|---:|---:|---:|---|
"""
WHY = {
    "deepseek_v3": "the bias of the router, which the library stores and does not call a parameter",
    "glm4_moe": "the bias of the router, which the library stores and does not call a parameter",
    "clip": "one temperature",
    "siglip": "a temperature and a bias",
    "gemma3": "a head of the tower that the published models switch off",
    "chameleon": "the network that turns images into tokens",
}


def theirs(config: dict[str, Any]) -> int:
    """Return the parameters of the library's own model of these fields, tied ones once."""
    import torch
    import transformers

    kind = config["model_type"]
    fields = {name: value for name, value in config.items() if name != "model_type"}
    known = transformers.CONFIG_MAPPING[kind](**fields)
    if kind == "whisper":
        with torch.device("meta"):
            model = transformers.WhisperForConditionalGeneration(known)
        return total(model)
    readers = ("AutoModel",) if kind in ENCODERS else ("AutoModelForSeq2SeqLM", "AutoModelForCausalLM")
    readers = () if kind == "mllama" else readers  # the class for text alone would leave the tower out
    for name in (*readers, "AutoModelForImageTextToText", "AutoModel"):
        try:
            with torch.device("meta"):
                model = getattr(transformers, name).from_config(known)
            return total(model)
        except (ValueError, KeyError):
            continue
    raise ValueError(f"no class of the library makes a {kind}")


ENCODERS = (
    "bert roberta electra distilbert mpnet modernbert vit clip clip_vision_model siglip siglip_vision_model".split()
)


def total(model: Any) -> int:
    """Return the number of parameters of a module, shared ones once."""
    return sum({id(p): p.numel() for p in model.parameters()}.values())


def rows() -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each tiny model with the library's sum, and its line of Markdown."""
    for entry in json.loads(CONFIGS.read_text(encoding="utf-8")):
        config = entry["config"]
        kind = config["model_type"]
        ours, library = parameter_count(read_config(config, name=kind)), theirs(config)
        why = WHY.get(kind, "") if ours != library else ""
        line = f"| {kind} | {library:,} | {ours:,} | {ours - library:+,} | {why} |"
        yield {"parameter_count": library, "config": config}, line


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    import transformers

    transformers.logging.set_verbosity_error()
    entries, lines = [], []
    for entry, line in rows():
        print(line, flush=True)
        entries.append("  " + json.dumps(entry))
        lines.append(line)
    if asked.write:
        PAGE.write_text(HEAD.format(version=transformers.__version__) + "\n".join(lines) + "\n", encoding="utf-8")
        CONFIGS.write_text("[\n" + ",\n".join(entries) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
