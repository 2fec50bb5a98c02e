"""Diffusion: what a model that draws images or video *is*, counted in products; nothing about chips.

A denoiser (a U-Net or a transformer) passes latent tokens and text tokens once per evaluation. What it takes is a
polynomial of degree two in both numbers, whatever is inside: products with weights grow with the tokens, attention
with pairs of them. Its six coefficients are exact for an architecture; a decoder then turns latents into pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Denoiser", "Diffusion", "LatentDecoder", "TextEncoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Denoiser:
    """The part that runs at every step; counts of multiply-accumulates per evaluation and sample.

    parameter_count: stored. fixed_macs: whatever the size. token_macs, text_macs: per latent token and per text token,
    with weights. token_pair_macs, text_pair_macs, cross_pair_macs: per pair of latent tokens, of text tokens, and of
    one of each (attention). width: values of one token between layers. layer_count: blocks. kind: ``dit`` or ``unet``.
    product_width: width of the layers that hold most products, where it is another one (the middle of a U-Net).
    """

    kind: str
    parameter_count: int
    fixed_macs: float
    token_macs: float
    token_pair_macs: float
    text_macs: float
    text_pair_macs: float
    cross_pair_macs: float
    width: int
    layer_count: int
    product_width: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEncoder:
    """A part that reads the prompt once: parameters, those that multiply each token, and tokens that it reads."""

    name: str
    parameter_count: int
    matrix_parameter_count: int
    token_count: int
    layer_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentDecoder:
    """The part that turns latents into pixels, once per sample.

    site_macs: per latent site (a position of a latent frame). site_pair_macs: per pair of sites of one frame.
    first_frame_frac: what the first latent frame takes of another one's work (it becomes one frame, others several).
    width: channels of a typical convolution, from which the traffic of activations follows.
    """

    parameter_count: int
    site_macs: float
    width: int
    site_pair_macs: float = 0.0
    first_frame_frac: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diffusion:
    """A model that draws.

    pixels_per_site: pixels along a side that one latent site covers; frames_per_latent: frames that one latent frame
    covers after the first. patch: sites along a side of one token, frame_patch: latent frames of one token.
    text_tokens: that the denoiser sees. guided: whether each step evaluates the denoiser with and without the text.
    steps, width_px, height_px, frames: what its publisher recommends. precision: as published. recalled: whether the
    published count that confirms its sizes is recalled, not read.
    """

    name: str
    title: str
    denoiser: Denoiser
    text_encoders: tuple[TextEncoder, ...]
    decoder: LatentDecoder
    pixels_per_site: int
    patch: int
    text_tokens: int
    guided: bool
    steps: int
    width_px: int
    height_px: int
    frames: int = 1
    frames_per_latent: int = 1
    frame_patch: int = 1
    precision: str = "bf16"
    recalled: bool = False
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
