"""The passes of a language model through its stacks: prompts, images, a step, and the steps of a draft."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twentywatts.architecture import Architecture, Stack
from twentywatts.counting.context import prefill_pairs, seen_per_step
from twentywatts.counting.phases import Pass, joined, pass_through, repeated, scaled
from twentywatts.counting.precision import Precision, precision_of
from twentywatts.counting.use import Speculation
from twentywatts.uncertain import Array
from twentywatts.workload_decoder import DecoderPhase, Parallelism, WeightWork

__all__ = ["decode_step", "draft_steps", "prefill", "sources"]


def prefill(
    architecture: Architecture, arrays: dict[str, Array], *, precision: Precision, parallelism: Parallelism
) -> DecoderPhase:
    """Return the reading of all prompts (less what the cache holds of them), and of the images that they bring."""
    main, batch, prompt = architecture.main, arrays["batch"], arrays["begun"]
    before = prompt * arrays["cached"]
    new = prompt - before

    def seen(window: int) -> Array:
        whole = prefill_pairs(prompt, window_tokens=window, causal=main.causal)
        return batch * (whole - prefill_pairs(before, window_tokens=window, causal=main.causal))

    traffic = Pass(
        token_count=batch * new,
        result_count=batch if main.causal else batch * new,
        sequence_count=batch,
        seen=seen,
        read=lambda window: batch * np.minimum(prompt, window or np.inf),
        decode=False,
        source_each=arrays["source"],
    )
    phase = pass_through(main, traffic, precision=precision, parallelism=parallelism)
    for tower in architecture.towers:
        phase = joined(phase, _tower(tower, arrays, precision=precision, parallelism=parallelism))
    return phase


def _tower(tower: Stack, arrays: dict[str, Array], *, precision: Precision, parallelism: Parallelism) -> DecoderPhase:
    """Return the pass of images or clips through a tower, whose weights are seldom quantised and count as ``other``."""
    each, inputs = _tower_tokens(tower, arrays)
    inputs = arrays["batch"] * inputs
    traffic = Pass(
        token_count=inputs * each,
        result_count=inputs,
        sequence_count=inputs,
        seen=lambda window: inputs * prefill_pairs(each, window_tokens=window, causal=tower.causal),
        read=lambda window: inputs * each,
        decode=False,
    )
    kept = replace(precision, weights=replace(precision.weights, linear=precision.weights.other))
    phase = pass_through(tower, traffic, precision=kept, parallelism=parallelism)
    used: Array = (inputs > 0).astype(np.float64)  # no image, no weights read
    macs = phase.other.mac_count + phase.linear.mac_count
    read = (phase.other.weight_bytes + phase.linear.weight_bytes) * used
    return replace(
        phase,
        linear=scaled(phase.linear, 0.0),
        other=WeightWork(mac_count=macs, weight_bytes=read),
        cache_read_bytes=phase.cache_read_bytes * 0.0,
        cache_write_bytes=phase.cache_write_bytes * 0.0,
        layer_count=used * phase.layer_count,
        collective_count=used * phase.collective_count,
    )


def _tower_tokens(tower: Stack, arrays: dict[str, Array]) -> tuple[Array, Array]:
    """Return (tokens of one input, inputs per sequence): a text encoder reads the prompt, others images and clips."""
    if tower.kind == "encoder" and not tower.token_count:
        return arrays["prompt"], np.ones_like(arrays["prompt"])
    each = np.where(arrays["input_tokens"] > 0, arrays["input_tokens"], float(tower.token_count))
    return each, arrays["inputs"]


def sources(architecture: Architecture, arrays: dict[str, Array]) -> dict[str, Array]:
    """Return the arrays with ``begun``, tokens that the main stack starts with, and ``source``, tokens it attends to.

    A model that attends to another stack begins with the prompt, or with one token where that stack reads the prompt;
    it has at least one image or clip to attend to.
    """
    none = np.zeros_like(arrays["prompt"])
    if not any(group.cross for group in architecture.main.layers) or not architecture.towers:
        return arrays | {"begun": arrays["prompt"], "source": none}
    tower = architecture.towers[0]
    given = arrays | {"inputs": np.maximum(arrays["inputs"], 1.0)}
    each, inputs = _tower_tokens(tower, given)
    reads_prompt = tower.kind == "encoder" and not tower.token_count
    begun = np.ones_like(none) if reads_prompt else arrays["prompt"]
    return given | {"begun": begun, "source": each * inputs}


def decode_step(
    main: Stack,
    arrays: dict[str, Array],
    *,
    precision: Precision,
    parallelism: Parallelism,
    speculation: Speculation | None = None,
) -> DecoderPhase:
    """Return the mean step: each sequence passes one token, or the draft's tokens and one."""
    batch, queries = arrays["batch"], 1.0 + (speculation.draft_tokens if speculation else 0)

    def read(window: int) -> Array:
        return batch * seen_per_step(arrays["begun"], arrays["written"], window_tokens=window)

    traffic = Pass(
        token_count=batch * queries,
        result_count=batch * queries,
        sequence_count=batch,
        seen=lambda window: queries * read(window),
        read=read,
        decode=True,
        source_each=arrays["source"],
    )
    return pass_through(main, traffic, precision=precision, parallelism=parallelism)


def draft_steps(
    architecture: Architecture,
    arrays: dict[str, Array],
    speculation: Speculation,
    *,
    precision: Precision,
    parallelism: Parallelism,
) -> DecoderPhase:
    """Return the steps of the draft before one step of the model: its own, or a share of the model's one-token step."""
    draft = speculation.draft
    if draft is not None:
        held = precision_of(draft)
        one, share = decode_step(draft.main, arrays, precision=held, parallelism=parallelism), 1.0
    else:
        one = decode_step(architecture.main, arrays, precision=precision, parallelism=parallelism)
        share = speculation.draft_frac
    return repeated(one, speculation.draft_tokens * share)
