"""The workload of a model that draws: what a batch of images or videos takes, counted; never what it costs.

Arrays have the broadcast shape of the use's arrays. Counts are totals over all chips and over the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["DiffusionPhase", "DiffusionWorkload"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiffusionPhase:
    """One evaluation of a part for the whole batch.

    weight_mac_count: products with weights. attention_mac_count: products without. weight_bytes: read once, by every
    chip that holds them. activation_bytes: inputs and outputs of the products. layer_count: blocks passed.
    collective_count, collective_bytes: rounds that follow each other, and bytes that all chips send.
    """

    weight_mac_count: Array
    attention_mac_count: Array
    weight_bytes: Array
    activation_bytes: Array
    layer_count: float
    collective_count: float
    collective_bytes: Array

    @property
    def mac_count(self) -> Array:
        """All multiply-accumulates."""
        return self.weight_mac_count + self.attention_mac_count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiffusionWorkload:
    """A batch of samples: texts are read once, the denoiser is evaluated again and again, latents are decoded once.

    batch: samples (images or videos). denoise: one evaluation; evaluation_count: how many there are, steps × 2 where
    the model is guided (a server may run both as one batch of twice the size: bytes of weights are then read half as
    often). token_count: latent tokens of one sample. weight_bytes: of all parts, resident on one chip.
    """

    name: str
    text: DiffusionPhase
    denoise: DiffusionPhase
    decode: DiffusionPhase
    evaluation_count: Array
    step_count: Array
    batch: Array
    token_count: Array
    weight_bytes: float
    weight_bits: float = 16.0
    chip_count: int = 1
    notes: tuple[str, ...] = ()
