"""The workload of a model that draws: a Diffusion × how it is used; nothing is run.

tokens n = (width / s p) × (height / s p) × latent frames / q, with s pixels per site, p sites per token along a side
and q latent frames per token; latent frames = 1 + (frames − 1) / r. One evaluation of the denoiser takes
a + b n + c n² + d m + e m² + f n m multiply-accumulates with m text tokens. docs/method/decoder-counting.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from twentywatts.architecture_diffusion import Diffusion
from twentywatts.counting.use import checked_count
from twentywatts.errors import InputError
from twentywatts.uncertain import Array
from twentywatts.workload_diffusion import DiffusionPhase, DiffusionWorkload

__all__ = ["DiffusionUse", "diffusion_workload", "latent_tokens"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiffusionUse:
    """Samples that are drawn together; numbers or arrays that broadcast, 0 for what the publisher recommends.

    batch: samples. steps: of the sampler. width_px, height_px, frames: of one sample. chips: that share each sample's
    tokens (sequence parallelism); every chip then holds all weights. weight_bits: per stored parameter.
    """

    batch: ArrayLike = 1
    steps: ArrayLike = 0
    width_px: ArrayLike = 0
    height_px: ArrayLike = 0
    frames: ArrayLike = 0
    chips: int = 1
    weight_bits: float = 16.0
    arrays: dict[str, Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.chips, bool) or not isinstance(self.chips, int) or not 1 <= self.chips <= 65_536:
            raise InputError(f"chips must be a whole number from 1 to 65,536, got {self.chips!r}")
        checked_count("bits of a weight", self.weight_bits, least=1, most=64)
        arrays = {
            "batch": checked_count("the batch", self.batch, least=1, most=1e9),
            "steps": checked_count("steps", self.steps, least=0, most=1e6),
            "width": checked_count("the width in pixels", self.width_px, least=0, most=1e6),
            "height": checked_count("the height in pixels", self.height_px, least=0, most=1e6),
            "frames": checked_count("frames", self.frames, least=0, most=1e6),
        }
        try:
            np.broadcast_shapes(*(array.shape for array in arrays.values()))
        except ValueError:
            raise InputError("batch, steps and sizes must have shapes that broadcast") from None
        object.__setattr__(self, "arrays", arrays)


def _sizes(model: Diffusion, use: DiffusionUse) -> dict[str, Array]:
    """Return every array in one shape, zeros replaced by what the publisher recommends."""
    usual = {"steps": model.steps, "width": model.width_px, "height": model.height_px, "frames": model.frames}
    filled = {
        name: np.where(array == 0, float(usual[name]), array) if name in usual else array
        for name, array in use.arrays.items()
    }
    return dict(zip(filled, np.broadcast_arrays(*filled.values()), strict=True))


def latent_tokens(model: Diffusion, *, width_px: Array, height_px: Array, frames: Array) -> tuple[Array, Array]:
    """Return (tokens, latent sites) of one sample; raises InputError for a size of less than one token."""
    side = model.pixels_per_site * model.patch
    if bool((np.minimum(width_px, height_px) < side).any()):
        raise InputError(f"'{model.name}' draws at least {side} × {side} pixels")
    latent_frames = 1.0 + (frames - 1.0) / model.frames_per_latent
    area = width_px * height_px
    tokens = area / side**2 * latent_frames / model.frame_patch
    return tokens, area / model.pixels_per_site**2 * latent_frames


def diffusion_workload(model: Diffusion, use: DiffusionUse) -> DiffusionWorkload:
    """Return the DiffusionWorkload of drawing a batch; arrays have the broadcast shape of ``use``."""
    arrays = _sizes(model, use)
    batch, steps = arrays["batch"], arrays["steps"]
    tokens, sites = latent_tokens(model, width_px=arrays["width"], height_px=arrays["height"], frames=arrays["frames"])
    weights = model.denoiser.parameter_count + model.decoder.parameter_count
    weights += sum(encoder.parameter_count for encoder in model.text_encoders)
    return DiffusionWorkload(
        name=model.name,
        text=_text(model, use, batch),
        denoise=_denoise(model, use, batch, tokens),
        decode=_decode(model, use, arrays, sites),
        evaluation_count=steps * (2.0 if model.guided else 1.0),
        step_count=steps,
        batch=batch,
        token_count=tokens,
        weight_bytes=weights * use.weight_bits / 8.0,
        weight_bits=use.weight_bits,
        chip_count=use.chips,
        notes=model.notes,
    )


def _text(model: Diffusion, use: DiffusionUse, batch: Array) -> DiffusionPhase:
    """Return the reading of all prompts (and of the empty one, where the model is guided)."""
    prompts = batch * (2.0 if model.guided else 1.0)
    macs = float(sum(one.matrix_parameter_count * one.token_count for one in model.text_encoders))
    read = sum(one.matrix_parameter_count for one in model.text_encoders) * use.weight_bits / 8.0
    layers = float(sum(one.layer_count for one in model.text_encoders))
    return _phase(prompts * macs, prompts * 0.0, read_bytes=read, activation_bytes=prompts * 0.0, layer_count=layers)


def _denoise(model: Diffusion, use: DiffusionUse, batch: Array, tokens: Array) -> DiffusionPhase:
    part, text = model.denoiser, float(model.text_tokens)
    linear = part.fixed_macs + part.token_macs * tokens + part.text_macs * text
    pairs = part.token_pair_macs * tokens**2 + part.text_pair_macs * text**2 + part.cross_pair_macs * tokens * text
    # a matrix of n inputs and m outputs passes n + m values for n·m products: about 2 values per width of products
    values = 2.0 * linear / (part.product_width or part.width) + 4.0 * part.layer_count * part.width * tokens
    # each block turns tokens into heads and back: queries, keys, values and results, all but one share of them
    moved = batch * tokens * (4.0 * part.width * part.layer_count * 2.0 * (1.0 - 1.0 / use.chips))
    phase = _phase(
        batch * linear,
        batch * pairs,
        read_bytes=part.parameter_count * use.weight_bits / 8.0 * use.chips,
        activation_bytes=batch * values * 2.0,
        layer_count=float(part.layer_count),
    )
    rounds = 2.0 * part.layer_count if use.chips > 1 else 0.0
    return _communicating(phase, rounds, moved)


def _decode(model: Diffusion, use: DiffusionUse, arrays: dict[str, Array], sites: Array) -> DiffusionPhase:
    part, batch = model.decoder, arrays["batch"]
    per_frame = arrays["width"] * arrays["height"] / model.pixels_per_site**2
    macs = batch * part.site_macs * (sites - per_frame * (1.0 - part.first_frame_frac))
    # a convolution of 3 × 3 takes 9 products per input channel and value that it writes, and reads as many values
    values = 2.0 * macs / (9.0 * part.width)
    return _phase(
        macs,
        batch * part.site_pair_macs * sites * per_frame,
        read_bytes=part.parameter_count * use.weight_bits / 8.0,
        activation_bytes=values * 2.0,
        layer_count=0.0,
    )


def _phase(
    weight_macs: Array, attention_macs: Array, *, read_bytes: float, activation_bytes: Array, layer_count: float
) -> DiffusionPhase:
    return DiffusionPhase(
        weight_mac_count=weight_macs,
        attention_mac_count=attention_macs,
        weight_bytes=np.full(np.shape(weight_macs), read_bytes),
        activation_bytes=activation_bytes,
        layer_count=layer_count,
        collective_count=0.0,
        collective_bytes=weight_macs * 0.0,
    )


def _communicating(phase: DiffusionPhase, rounds: float, sent: Array) -> DiffusionPhase:
    return replace(phase, collective_count=rounds, collective_bytes=sent)
