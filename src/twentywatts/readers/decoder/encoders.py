"""Encoders that read a text at once (BERT and its kin), and the plain transformer block that they share with towers."""

from __future__ import annotations

from dataclasses import replace

from twentywatts.architecture import Attention, FeedForward, Layers, Stack
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.style import grouped

__all__ = ["READERS", "block"]


def block(hidden: int, heads: int, size: int, *, count: int, gated: bool = False, key_bias: bool = True) -> Layers:
    """Return transformer layers as they were first published: biases and two layer norms, all heads alike."""
    biases = hidden * (4 if key_bias else 3)
    return Layers(
        count=count,
        mixer=Attention(heads=heads, kv_heads=heads, head_size=hidden // heads, extra_parameter_count=biases),
        feed_forward=FeedForward(size=size, gated=gated, extra_parameter_count=size * (1 + gated) + hidden),
        extra_parameter_count=4 * hidden,
    )


def _heads(fields: Fields, hidden: int) -> int:
    heads = fields.size("num_attention_heads")
    if hidden % heads:
        raise fields.refuse("num_attention_heads", f"a divisor of hidden_size {hidden}", heads)
    return heads


def _bert(fields: Fields) -> Stack:
    """BERT, RoBERTa and XLM-R: three tables, a norm, layers, a pooler."""
    hidden = fields.size("hidden_size")
    layer = block(hidden, _heads(fields, hidden), fields.size("intermediate_size"), count=fields.layers())
    positions = fields.size("max_position_embeddings")
    return Stack(
        kind="text",
        causal=False,
        hidden_size=hidden,
        layers=(layer,),
        vocabulary_size=fields.size("vocab_size"),
        embedding_size=fields.size("embedding_size", hidden),
        lookup_parameter_count=(positions + fields.size("type_vocab_size", 2, least=0)) * hidden,
        output_parameter_count=hidden * hidden,
        output_token_frac=0.0,
        extra_parameter_count=3 * hidden,
    )


def _mpnet(fields: Fields) -> Stack:
    """MPNet: as BERT, with a table of relative positions in place of segments."""
    stack = _bert(replace(fields, values={**fields.values, "type_vocab_size": 0}))
    relative = fields.size("relative_attention_num_buckets", 32) * fields.size("num_attention_heads")
    return replace(stack, extra_parameter_count=stack.extra_parameter_count + relative)


def _modern_bert(fields: Fields) -> Stack:
    """ModernBERT: no positions, gated parts, and every ``global_attn_every_n_layers``-th layer sees the whole text.

    The others see ``local_attention`` tokens, as many before as after. The first layer has no norm before attention.
    """
    hidden, size, count = fields.size("hidden_size"), fields.size("intermediate_size"), fields.layers()
    heads, every = _heads(fields, hidden), fields.size("global_attn_every_n_layers", 3)
    norm = hidden * (2 if fields.flag("norm_bias", False) else 1)
    biases = 4 * hidden if fields.flag("attention_bias", False) else 0
    plain = FeedForward(size=size, extra_parameter_count=(2 * size + hidden) * fields.flag("mlp_bias", False))
    window = fields.size("local_attention", 128, least=0)

    def mixer(index: int) -> Attention:
        seen = 0 if index % every == 0 else window
        return Attention(
            heads=heads, kv_heads=heads, head_size=hidden // heads, window_tokens=seen, extra_parameter_count=biases
        )

    layers = [
        Layers(count=1, mixer=mixer(index), feed_forward=plain, extra_parameter_count=norm * (2 if index else 1))
        for index in range(count)
    ]
    return Stack(
        kind="text",
        causal=False,
        hidden_size=hidden,
        layers=grouped(layers),
        vocabulary_size=fields.size("vocab_size"),
        extra_parameter_count=2 * norm,
    )


def _electra(fields: Fields) -> Stack:
    """ELECTRA: as BERT, with an embedding that may be narrower than the layers and is then projected; no pooler."""
    stack = _bert(fields)
    narrow, hidden = stack.embedding_size, stack.hidden_size
    tables = stack.lookup_parameter_count // hidden * narrow
    projected = narrow * hidden if narrow != hidden else 0
    return replace(
        stack,
        lookup_parameter_count=tables,
        input_parameter_count=projected,
        input_mac_count=projected,
        output_parameter_count=0,
        extra_parameter_count=2 * narrow + (hidden if projected else 0),
    )


def _distilbert(fields: Fields) -> Stack:
    """DistilBERT: half of BERT's layers, without segments and pooler; its fields have names of their own."""
    hidden = fields.size("hidden_size")
    layer = block(hidden, _heads(fields, hidden), fields.size("hidden_dim"), count=fields.layers())
    return Stack(
        kind="text",
        causal=False,
        hidden_size=hidden,
        layers=(layer,),
        vocabulary_size=fields.size("vocab_size"),
        lookup_parameter_count=fields.size("max_position_embeddings") * hidden,
        extra_parameter_count=2 * hidden,
    )


READERS = {
    "bert": _bert,
    "roberta": _bert,
    "xlm-roberta": _bert,
    "camembert": _bert,
    "electra": _electra,
    "modernbert": _modern_bert,
    "mpnet": _mpnet,
    "distilbert": _distilbert,
}
