"""Encoder-decoders: Whisper for speech, T5, BART and Pegasus for text; and the audio tower of Qwen3-Omni."""

from __future__ import annotations

from dataclasses import replace

from twentywatts.architecture import Attention, FeedForward, Layers, Stack
from twentywatts.readers.decoder.encoders import block
from twentywatts.readers.decoder.fields import Fields

__all__ = ["READERS", "audio_tower"]


def _decoder_layers(hidden: int, heads: int, size: int, count: int, *, key_bias: bool) -> Layers:
    layer = block(hidden, heads, size, count=count, key_bias=key_bias)
    assert isinstance(layer.mixer, Attention)
    return replace(layer, cross=layer.mixer, extra_parameter_count=6 * hidden)


def _whisper(fields: Fields) -> tuple[Stack, ...]:
    """Whisper: 30 s of sound as 3000 frames, two convolutions to 1500 tokens, then an encoder and a decoder."""
    hidden, mels = fields.size("hidden_size"), fields.size("num_mel_bins", 80)
    frames = fields.size("max_source_positions")
    convolutions = 3 * hidden * (mels + hidden)
    reading = block(
        hidden,
        fields.size("encoder_attention_heads"),
        fields.size("encoder_ffn_dim"),
        count=fields.size("encoder_layers", most=10_000),
        key_bias=False,
    )
    encoder = Stack(
        kind="audio",
        causal=False,
        hidden_size=hidden,
        layers=(reading,),
        lookup_parameter_count=frames * hidden,
        input_parameter_count=convolutions,
        input_mac_count=3 * hidden * (2 * mels + hidden),
        extra_parameter_count=4 * hidden,
        token_count=frames,
    )
    writing = _decoder_layers(
        hidden,
        fields.size("decoder_attention_heads"),
        fields.size("decoder_ffn_dim"),
        fields.size("decoder_layers", most=10_000),
        key_bias=False,
    )
    return _writer(fields, hidden, writing, fields.size("max_target_positions"), 2), encoder


def _writer(fields: Fields, hidden: int, layers: Layers, positions: int, norms: int) -> Stack:
    vocabulary = fields.size("vocab_size")
    return Stack(
        kind="text",
        hidden_size=hidden,
        layers=(layers,),
        vocabulary_size=vocabulary,
        head_size=vocabulary,
        tied=fields.flag("tie_word_embeddings", True),
        lookup_parameter_count=positions * hidden,
        extra_parameter_count=norms * hidden,
    )


def _bart(fields: Fields) -> tuple[Stack, ...]:
    """BART: learned positions (two more than the longest text) and a norm after the embedding, on both sides."""
    positions = fields.size("max_position_embeddings") + 2
    return _both(fields, positions, norms=2)


def _mbart(fields: Fields) -> tuple[Stack, ...]:
    """mBART: as BART, with one more norm after the last layer, on both sides."""
    return _both(fields, fields.size("max_position_embeddings") + 2, norms=4)


def _pegasus(fields: Fields) -> tuple[Stack, ...]:
    """Pegasus: positions that are computed but stored, and a norm after the last layer, on both sides."""
    return _both(fields, fields.size("max_position_embeddings"), norms=2)


def _both(fields: Fields, positions: int, *, norms: int) -> tuple[Stack, ...]:
    hidden = fields.size("hidden_size")
    reading = block(
        hidden,
        fields.size("encoder_attention_heads"),
        fields.size("encoder_ffn_dim"),
        count=fields.size("encoder_layers", most=10_000),
    )
    writing = _decoder_layers(
        hidden,
        fields.size("decoder_attention_heads"),
        fields.size("decoder_ffn_dim"),
        fields.size("decoder_layers", most=10_000),
        key_bias=True,
    )
    encoder = Stack(
        kind="encoder",
        causal=False,
        hidden_size=hidden,
        layers=(reading,),
        lookup_parameter_count=positions * hidden,
        extra_parameter_count=norms * hidden,
    )
    return _writer(fields, hidden, writing, positions, norms), encoder


def _t5(fields: Fields) -> tuple[Stack, ...]:
    """T5 and its kin: heads of a size of their own, norms without bias, a table of relative positions per side."""
    hidden, heads, size = fields.size("hidden_size"), fields.size("num_attention_heads"), fields.size("d_kv")
    gated = fields.text("feed_forward_proj", "relu").startswith("gated")
    mixer = Attention(heads=heads, kv_heads=heads, head_size=size)
    count = fields.layers()
    relative = fields.size("relative_attention_num_buckets", 32) * heads
    reading = Layers(
        count=count,
        mixer=mixer,
        feed_forward=FeedForward(size=fields.size("intermediate_size"), gated=gated),
        extra_parameter_count=2 * hidden,
    )
    writing = replace(
        reading,
        count=fields.size("num_decoder_layers", count, most=10_000),
        cross=mixer,
        extra_parameter_count=3 * hidden,
    )
    encoder = Stack(
        kind="encoder",
        causal=False,
        hidden_size=hidden,
        layers=(reading,),
        extra_parameter_count=hidden + relative,
    )
    return replace(_writer(fields, hidden, writing, 0, 1), extra_parameter_count=hidden + relative), encoder


def audio_tower(fields: Fields) -> Stack:
    """Return the audio encoder of Qwen3-Omni: three convolutions by two in each direction, layers, two matrices."""
    hidden, mels = fields.size("hidden_size"), fields.size("num_mel_bins", 128)
    channels, out = fields.size("downsample_hidden_size"), fields.size("output_dim")
    heads, size = fields.size("encoder_attention_heads"), fields.size("encoder_ffn_dim")
    bands = -(-mels // 8)
    convolutions = 9 * channels + 2 * 9 * channels * channels
    layer = block(hidden, heads, size, count=fields.size("encoder_layers", most=10_000))
    per_token = 9 * channels * (mels // 2) * 4 + 9 * channels * channels * ((mels // 4) * 2 + bands)
    return Stack(
        kind="audio",
        causal=False,
        hidden_size=hidden,
        layers=(layer,),
        input_parameter_count=convolutions + channels * bands * hidden,
        input_mac_count=per_token + channels * bands * hidden,
        output_parameter_count=hidden * hidden + hidden * out,
        extra_parameter_count=3 * channels + 2 * hidden + hidden + out,
        token_count=390,
    )


def _mt5(fields: Fields) -> tuple[Stack, ...]:
    """mT5: T5 with gated parts and a head of its own, where the file says nothing."""
    usual = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    return _t5(replace(fields, values={**usual, **fields.values}))


READERS = {"whisper": _whisper, "bart": _bart, "mbart": _mbart, "pegasus": _pegasus, "t5": _t5, "mt5": _mt5}
