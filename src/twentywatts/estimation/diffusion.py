"""Image and video models as the subject of an estimation; sizes in data/diffusion_models.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, cast

from twentywatts.errors import InputError, RefusedError
from twentywatts.estimation.places import Place
from twentywatts.estimation.result import EstimationRow, ModelCard
from twentywatts.estimation.subject import Subject, row_of, with_batch
from twentywatts.figures import Evidence
from twentywatts.price import price
from twentywatts.price.decoder_work import rates_of
from twentywatts.price.diffusion import DiffusionWork
from twentywatts.scenario import Scenario

__all__ = ["diffusion_model", "diffusion_names", "diffusion_work", "is_diffusion_name"]

_BATCHES = (1, 4)
_GUESSED = "the sizes of this model are recalled, not verified; its steps and pixels are those of its publisher"


@cache
def _models() -> Mapping[str, Mapping[str, Any]]:
    path = files("twentywatts") / "data" / "diffusion_models.toml"
    return cast("Mapping[str, Mapping[str, Any]]", tomllib.loads(path.read_text(encoding="utf-8"))["models"])


@cache
def _names() -> Mapping[str, str]:
    """Return alias → name, in lower case."""
    return {alias.lower(): name for name, table in _models().items() for alias in (name, *table["aliases"])}


def diffusion_names() -> list[str]:
    """Return the names of all bundled image and video models."""
    return list(_models())


def is_diffusion_name(name: str) -> bool:
    """Return whether a name is that of a bundled image or video model."""
    return name.lower() in _names()


def diffusion_work(name: str, *, batch: float, steps: float | None = None, chips: int = 1) -> DiffusionWork:
    """Return the work of a batch of images or videos at the model's own size.

    A pass multiplies every token with the matrices, 2 operations a weight, and forms attention between all tokens,
    4 × layers × hidden × tokens². Chips that share an image exchange queries, keys, values and results of attention.
    """
    model = _models()[_names()[name.lower()]]
    frames = (model["frame_count"] - 1) // model["frame_factor"] + 1
    side = model["spatial_factor"]
    tokens = frames * (model["width_px"] // side) * (model["height_px"] // side) + model["text_token_count"]
    layers, hidden = model["attention_layer_count"], model["hidden_size"]
    square = 0.0 if model["linear_attention"] else 4.0 * layers * hidden * float(tokens) ** 2
    products = model["pass_flop"] or 2.0 * model["matrix_parameter_count"] * tokens
    return DiffusionWork(
        pass_count=float(steps or model["step_count"]) * model["pass_count"],
        product_flop=products * batch,
        attention_flop=square * batch,
        layer_count=float(layers),
        exchange_bytes=4.0 * layers * tokens * hidden * 2.0 * batch,
        pixel_count=float(model["width_px"] * model["height_px"] * model["frame_count"]) * batch,
        is_video=float(model["kind"] == "video"),
        chip_count=float(chips),
        batch=batch,
        notes=(_GUESSED,),
    )


def diffusion_model(name: str, *, steps: int | None) -> Subject:
    """Return an image or video model and one generation; raises InputError for 0 steps."""
    key = _names()[name.lower()]
    model = _models()[key]
    if steps is not None and steps < 1:
        raise InputError(f"a diffusion model takes at least 1 step, got {steps}")
    count = steps or model["step_count"]
    size = f"{model['width_px']} × {model['height_px']} pixels"
    size += f", {model['frame_count']} frames" if model["kind"] == "video" else ""

    def row(place: Place, batch: int, scenario: Scenario) -> EstimationRow:
        held = 2.0 * model["parameter_count"]
        if held > place.chip_count * rates_of(place.machine).capacity_bytes:
            raise RefusedError(f"{key} does not fit {place.chip_count} chips of {place.machine.name}")
        work = diffusion_work(key, batch=float(batch), steps=count, chips=place.chip_count)
        ledger = price(cast(Any, work), place.machine, with_batch(scenario, batch), per=model["kind"])
        guessed = tuple(replace(entry, evidence=Evidence.GUESSED) for entry in ledger.entries)  # its sizes are recalled
        return row_of(
            place, batch, replace(ledger, entries=guessed), units=1.0, unit=model["kind"], step_share=1.0 / count
        )

    return Subject(
        model=ModelCard(
            name=key,
            title=model["title"],
            kind=model["kind"],
            precision="bf16",
            parameter_count=float(model["parameter_count"]),
            active_parameter_count=float(model["parameter_count"]),
            weight_bytes=2.0 * model["parameter_count"],
        ),
        use={"steps": float(count), "size": size},
        what=f"One {model['kind']} ({size}, {count} steps)",
        batches=lambda place: _BATCHES,
        row=row,
    )
