"""Architecture: what a transformer, a recurrent or a hybrid model *is*, in sizes; no weights, nothing about chips.

A model is one or more **stacks** of layers. A layer mixes tokens (attention, a latent attention, a recurrence, or
nothing), may attend to another stack, and then passes every token through a feed-forward part (dense, experts, or
nothing). Layers that are alike stand in one ``Layers`` record with a count, so that seven records or fewer describe
most models. Records hold sizes; what follows from them (parameters, operations, bytes) is counted by free functions
in ``twentywatts.counting``.

``extra_parameter_count`` is what takes part in no matrix product: biases, norms, attention sinks. Every size is a
count. Sizes of heads are values per head.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "Architecture",
    "Attention",
    "Experts",
    "FeedForward",
    "LatentAttention",
    "Layers",
    "Mixer",
    "Recurrence",
    "Stack",
    "StoredBits",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Softmax attention with a cache of keys and values.

    heads, kv_heads: of queries, and of keys and values (fewer: grouped queries; 1: one for all). head_size: of queries
    and keys. value_size: of values, as head_size where 0. window_tokens: how far back a token looks, 0 for all the
    way. gated: the output is gated by a second query projection. cached: False where the layer reuses the keys and
    values of another one and stores none itself.
    """

    heads: int
    kv_heads: int
    head_size: int
    value_size: int = 0
    window_tokens: int = 0
    gated: bool = False
    cached: bool = True
    extra_parameter_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention: the cache holds one compressed vector and one rotary key per token.

    query_rank: of the compressed query, 0 where queries are projected directly. kv_rank: values of the latent.
    nope_size, rope_size: the parts of a query and key without and with rotation. value_size: of a head's value.
    index_heads, index_size, index_tokens: of a sparse index that picks the tokens to attend to (0: none).
    """

    heads: int
    query_rank: int
    kv_rank: int
    nope_size: int
    rope_size: int
    value_size: int
    index_heads: int = 0
    index_size: int = 0
    index_tokens: int = 0
    extra_parameter_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A state-space or linear-attention layer: its state does not grow with the text.

    kind: what it is called (mamba, mamba2, gated delta, ...). matrix_parameter_count: weights that multiply each token
    once. state_value_count: values of the state of one sequence, with its convolution. state_mac_count:
    multiply-accumulates per token that update and read the state. state_bits: of a stored value.
    """

    kind: str
    matrix_parameter_count: int
    state_value_count: int
    state_mac_count: int
    state_bits: int = 16
    extra_parameter_count: int = 0


Mixer = Attention | LatentAttention | Recurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForward:
    """A dense feed-forward part; gated: three matrices instead of two."""

    size: int
    gated: bool = True
    extra_parameter_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """A routed feed-forward part.

    count, per_token: experts, and how many serve one token. size: hidden values of one expert. shared_size: of what
    serves every token beside them, 0 for nothing. extra_parameter_count: of all experts together, with their biases;
    active_extra_parameter_count: those of them that one token meets.
    """

    count: int
    per_token: int
    size: int
    gated: bool = True
    shared_size: int = 0
    extra_parameter_count: int = 0
    active_extra_parameter_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """``count`` layers that are alike. cross: attention to the tokens of another stack. norms in the extra count."""

    count: int
    mixer: Mixer | None = None
    feed_forward: FeedForward | Experts | None = None
    cross: Attention | None = None
    extra_parameter_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Layers of one width, with what stands before and after them.

    kind: text, vision, audio or encoder. causal: a token sees only what came before it. vocabulary_size: rows of the
    embedding, 0 for none. embedding_size: its columns where they are not hidden_size (0). head_size: outputs of the
    final product, 0 for none; tied: that product uses the embedding's table. lookup_parameter_count: further tables
    that are looked up (positions). input_parameter_count: matrices before the first layer (patches, convolutions),
    input_mac_count: their multiply-accumulates per token. output_parameter_count: matrices after the last layer (a
    projector, a pooler) and output_token_frac: the share of tokens that they see. token_count: what one input
    has where the model fixes it, else 0.
    """

    kind: str
    hidden_size: int
    layers: tuple[Layers, ...]
    causal: bool = True
    vocabulary_size: int = 0
    embedding_size: int = 0
    head_size: int = 0
    tied: bool = False
    lookup_parameter_count: int = 0
    input_parameter_count: int = 0
    input_mac_count: int = 0
    output_parameter_count: int = 0
    output_token_frac: float = 1.0
    extra_parameter_count: int = 0
    token_count: int = 0

    @property
    def layer_count(self) -> int:
        """Number of layers."""
        return sum(group.count for group in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBits:
    """Bits that one stored parameter takes, with its scales: linear (attention, dense parts), experts, all the rest."""

    linear: float = 16.0
    experts: float = 16.0
    other: float = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A model in sizes.

    name: the alias it is found by. model_type: its family, as its config.json calls it. main: the stack that writes
    text (or reads it, in an encoder). towers: stacks that feed it, such as a vision tower or a speech encoder. stored:
    bits per parameter as published. precision: how that is called (bf16, fp8, int4, mxfp4, ...). max_tokens: the
    longest text it takes, 0 where nothing limits it. active_tables: which tables its publisher counts among the
    parameters that a token uses: both, head or none. sources: keys of sources.toml. notes: what a reader should know.
    """

    name: str
    title: str
    model_type: str
    main: Stack
    towers: tuple[Stack, ...] = ()
    stored: StoredBits = StoredBits()
    precision: str = "bf16"
    max_tokens: int = 0
    active_tables: str = "both"
    origin: str = "bundled"
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The main stack, then its towers."""
        return (self.main, *self.towers)

    @property
    def expert_groups(self) -> Iterator[tuple[Layers, Experts]]:
        """Every group of layers of the main stack that routes to experts."""
        return ((group, group.feed_forward) for group in self.main.layers if isinstance(group.feed_forward, Experts))

    @property
    def is_routed(self) -> bool:
        """Whether a token meets only some of the parameters."""
        return any(True for _ in self.expert_groups)
