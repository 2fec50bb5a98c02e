"""quantization_config: what bits the weights of a published model are stored with."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from twentywatts.architecture import StoredBits
from twentywatts.errors import ModelError
from twentywatts.readers.decoder.fields import Fields

__all__ = ["stored"]

_TYPES = {"float32": "fp32", "float": "fp32", "float16": "fp16", "bfloat16": "bf16", "half": "fp16"}
_TYPES |= {"float8_e4m3fn": "fp8", "float8_e5m2": "fp8"}


@cache
def _bits(name: str) -> float:
    text = (files("twentywatts") / "data" / "precisions.toml").read_text(encoding="utf-8")
    return float(tomllib.loads(text)["formats"][name]["stored_bits"])


def stored(fields: Fields) -> tuple[str, StoredBits]:
    """Return (format, bits by class of weights) of a published model; raises ModelError for a method it cannot read.

    Where the file names no type, 16 bits are taken: nothing is published today at more. mxfp4 (gpt-oss) holds the
    experts alone.
    """
    kind = fields.text("torch_dtype") or fields.text("dtype")
    plain = _TYPES.get(kind.removeprefix("torch."), "bf16")
    other = 32.0 if plain == "fp32" else 16.0
    table = _table(fields)
    if table is None:
        return plain, StoredBits(linear=other, experts=other, other=other)
    name = _method(table)
    bits = _bits(name)
    linear = 16.0 if name == "mxfp4" else bits
    return name, StoredBits(linear=linear, experts=bits, other=16.0)


def _table(fields: Fields) -> Fields | None:
    """Return how the weights are quantised: of the whole model, under the older name, or of its language model."""
    found = fields.table("quantization_config") or fields.table("compression_config")
    text = fields.table("text_config")
    return found or (text.table("quantization_config") if text else None)


def _method(table: Fields) -> str:
    method = table.text("quant_method") or table.text("quant_algo")
    lower = method.lower()
    if lower in ("fp8", "fbgemm_fp8", "mxfp4"):
        return "fp8" if lower != "mxfp4" else "mxfp4"
    if lower in ("gptq", "awq", "auto-round", "auto_gptq"):
        return _by_bits(table, table.size("bits", table.size("w_bit", 4)))
    if lower == "bitsandbytes":
        return "int4" if table.flag("load_in_4bit", False) else "int8-weights"
    if lower == "modelopt" or table.has("quant_algo"):
        algorithm = (table.text("quant_algo") or lower).lower()
        return next((name for name in ("nvfp4", "fp8", "int8", "int4") if name in algorithm), "fp8")
    if lower == "compressed-tensors":
        return _compressed(table)
    known = "fp8, mxfp4, gptq, awq, bitsandbytes, modelopt, compressed-tensors"
    raise ModelError(f"{table.where}: quantization method '{method}' is not known, known: {known}")


def _by_bits(table: Fields, bits: int) -> str:
    if bits not in (4, 8):
        raise table.refuse("bits", "4 or 8", bits)
    return "int4" if bits == 4 else "int8-weights"


def _compressed(table: Fields) -> str:
    """Return the format of the first group of a compressed-tensors table, weights and activations together."""
    form = table.text("format").lower()
    if "nvfp4" in form:
        return "nvfp4"
    groups = table.table("config_groups")
    first = next(iter(groups.values), "") if groups else ""
    group = groups.table(first) if groups and first else None
    weights = group.table("weights") if group else None
    if weights is None or group is None:
        raise ModelError(f"{table.where}: 'config_groups' with 'weights' is missing: it says the bits of the weights")
    bits = weights.size("num_bits", 8, most=16)
    if weights.text("type", "int") == "float":
        return "nvfp4" if bits == 4 else "fp8"
    if bits == 8:
        return "int8" if group.table("input_activations") is not None else "int8-weights"
    return _by_bits(table, bits)
