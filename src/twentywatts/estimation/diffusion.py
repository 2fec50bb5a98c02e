"""Image and video models as the subject of an estimation; counted, their sizes in data/diffusion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from twentywatts.architecture_diffusion import Diffusion
from twentywatts.counting.diffusion import DiffusionUse, diffusion_workload
from twentywatts.errors import InputError, RefusedError, counted
from twentywatts.estimation.places import Place
from twentywatts.estimation.result import EstimationRow, ModelCard
from twentywatts.estimation.subject import Subject, row_of, with_batch
from twentywatts.figures import Evidence
from twentywatts.price import price
from twentywatts.price.decoder_work import rates_of
from twentywatts.readers.diffusions import load_diffusion
from twentywatts.scenario import Scenario

__all__ = ["card_of", "diffusion_model"]

_BATCHES = (1, 4)
_UNSEEN = "a U-Net: every measured model that the constants were fitted on is a transformer"
_RECALLED = "the published size that confirms this model's count is recalled, not verified"


def card_of(model: Diffusion) -> ModelCard:
    """Return what an image or video model is: its denoiser, in 16 bits."""
    parameters = float(model.denoiser.parameter_count)
    return ModelCard(
        name=model.name,
        title=model.title,
        kind="video" if model.frames > 1 else "image",
        precision="bf16",
        parameter_count=parameters,
        active_parameter_count=parameters,
        weight_bytes=2.0 * parameters,
        sources=model.sources,
    )


def diffusion_model(name: str, *, steps: int | None) -> Subject:
    """Return an image or video model and one generation; raises InputError for 0 steps."""
    model = load_diffusion(name)
    if steps is not None and steps < 1:
        raise InputError(f"a diffusion model takes at least 1 step, got {steps}")
    count = steps or model.steps
    card = card_of(model)
    kind = card.kind
    size = f"{model.width_px} × {model.height_px} pixels"
    size += f", {model.frames} frames" if kind == "video" else ""

    def row(place: Place, batch: int, scenario: Scenario) -> EstimationRow:
        work = diffusion_workload(model, DiffusionUse(batch=batch, steps=count, chips=place.chip_count))
        if work.weight_bytes > rates_of(place.machine).capacity_bytes:  # every chip holds all weights
            raise RefusedError(f"{model.title} does not fit the memory of a chip of {place.machine.title}")
        ledger = price(cast(Any, work), place.machine, with_batch(scenario, batch), per=kind)
        if model.recalled:
            guessed = tuple(replace(entry, evidence=Evidence.GUESSED) for entry in ledger.entries)
            ledger = replace(ledger, entries=guessed)
        return row_of(place, batch, ledger, units=1.0, unit=kind, step_share=1.0 / count)

    return Subject(
        model=card,
        use={"steps": float(count), "size": size},
        what=f"One {kind} ({size}, {counted(count, 'step')})",
        batches=lambda place: _BATCHES,
        row=row,
        notes=((_RECALLED,) if model.recalled else ()) + ((_UNSEEN,) if model.denoiser.kind == "unet" else ()),
    )
