"""``transformer``: a family of ours for models that publish sizes but no config.json; everything is said in words."""

from __future__ import annotations

from twentywatts.architecture import Experts, Stack
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.style import Style, decoder

__all__ = ["READERS"]


def _transformer(fields: Fields) -> Stack:
    """Return a decoder whose fields are those of the common decoder and: biases, norms_per_layer, norm_bias, gated.

    learned_positions, qk_norm (head or model), sliding_window with sliding_window_pattern, num_experts with
    num_experts_per_tok, moe_intermediate_size, shared_intermediate_size, moe_every, experts_gated.
    """
    biases = fields.flag("biases", False)
    experts = fields.size("num_experts", 0, least=0)
    every = fields.size("moe_every", 1)
    one = experts and Experts(
        count=experts,
        per_token=fields.size("num_experts_per_tok", most=experts),
        size=fields.size("moe_intermediate_size"),
        gated=fields.flag("experts_gated", fields.flag("gated", True)),
        shared_size=fields.size("shared_intermediate_size", 0, least=0),
    )
    window = fields.size("sliding_window", 0, least=0)
    pattern = fields.size("sliding_window_pattern", 1)
    qk_norm = fields.text("qk_norm")
    if qk_norm not in ("", "head", "model"):
        raise fields.refuse("qk_norm", "head, model or nothing", qk_norm)
    style = Style(
        qkv_bias=biases,
        out_bias=biases,
        mlp_bias=biases,
        norms=fields.size("norms_per_layer", 2, least=0, most=16),
        norm_values=2 if fields.flag("norm_bias", False) else 1,
        qk_norm=qk_norm,
        gated=fields.flag("gated", True),
        positions=0 if fields.flag("learned_positions", False) else -1,
        windows=lambda _, layers: [0 if pattern > 1 and (i + 1) % pattern == 0 else window for i in range(layers)],
        experts=lambda _, layers: [one if one and (i + 1) % every == 0 else None for i in range(layers)],
    )
    return decoder(fields, style)


READERS = {"transformer": _transformer}
