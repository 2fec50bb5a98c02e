"""The workload of a language model: what a prompt and its answer take, counted; never what it costs.

Every array has the broadcast shape of the use's arrays (batch, prompt, output, ...), so that a million combinations
are one record. Counts are **totals over all chips** of one replica (a group of chips that serves one copy of the
model) and over the whole batch, unless a field says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["DecoderPhase", "DecoderWorkload", "Parallelism", "WeightWork"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallelism:
    """How one replica is spread over chips; chips = tensor × data.

    tensor: chips that share each matrix. data: groups of such chips that hold the attention each, and share out the
    batch. expert: chips over which the experts of a layer lie: 1 (each expert is split as any matrix), or all chips.
    """

    tensor: int = 1
    expert: int = 1
    data: int = 1

    @property
    def chip_count(self) -> int:
        """Chips of one replica."""
        return self.tensor * self.data


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightWork:
    """Products with one class of weights in one phase: multiply-accumulates, and bytes of weights that are read."""

    mac_count: Array
    weight_bytes: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecoderPhase:
    """One pass of the batch through the model: the prefill of its prompts, or one mean decode step.

    token_count: tokens that pass. linear, experts, other: products with weights, by the class that sets their
    precision (other: embedding, head, router, biases and norms). attention_mac_count: products without weights
    (scores, values, recurrent states). cache_read_bytes, cache_write_bytes: of keys, values and states, with the
    copies that tensor parallelism makes. activation_bytes: inputs and outputs of the products. touched_frac: share of
    a layer's experts that are read. layer_count, expert_layer_count: layers passed, and how many of them route.
    collective_count: rounds of communication that follow each other. collective_bytes: sent by all chips together.
    """

    token_count: Array
    linear: WeightWork
    experts: WeightWork
    other: WeightWork
    attention_mac_count: Array
    cache_read_bytes: Array
    cache_write_bytes: Array
    activation_bytes: Array
    touched_frac: Array
    layer_count: float | Array
    expert_layer_count: float | Array
    collective_count: float | Array
    collective_bytes: Array

    @property
    def weight_bytes(self) -> Array:
        """Bytes of weights that are read."""
        return self.linear.weight_bytes + self.experts.weight_bytes + self.other.weight_bytes

    @property
    def mac_count(self) -> Array:
        """All multiply-accumulates."""
        return self.linear.mac_count + self.experts.mac_count + self.other.mac_count + self.attention_mac_count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecoderWorkload:
    """A batch of requests: prompts are read once (prefill), then each answer is written step by step (decode).

    batch: sequences served together [count, may be a mean]. prompt_tokens, output_tokens: per sequence. decode: the
    mean step; step_count: how many there are, output − 1 without speculation, because the prefill writes the first
    token. weight_bytes: resident, with the copies of data parallelism. cache_bytes: resident at work.
    linear_bits, expert_bits: of a stored weight, with scales. linear_operand_bits, expert_operand_bits: of what is
    multiplied with them (32, 16, 8 or 4). cache_bits: of a cached value. model_type: the model's family, as its
    config.json calls it: some have kernels of their own.
    """

    name: str
    prefill: DecoderPhase
    decode: DecoderPhase
    step_count: Array
    batch: Array
    prompt_tokens: Array
    output_tokens: Array
    weight_bytes: float
    cache_bytes: Array
    parallelism: Parallelism = Parallelism()
    precision: str = "bf16"
    linear_bits: float = 16.0
    expert_bits: float = 16.0
    linear_operand_bits: int = 16
    expert_operand_bits: int = 16
    cache_bits: float = 16.0
    model_type: str = ""
    notes: tuple[str, ...] = ()

    @property
    def resident_bytes(self) -> Array:
        """Bytes that all chips of the replica must hold together: weights, and the cache at full length."""
        return self.weight_bytes + self.cache_bytes
