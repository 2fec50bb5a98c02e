"""The workload of a language model: an architecture × how it is used; nothing is run.

A batch of B prompts of P tokens is read (prefill), which also gives each answer its first token; then output − 1
steps each write one token per sequence. A step reads every dense weight once, the experts that its tokens touch,
and the keys and values of every sequence as far as its layers look back. docs/method/decoder-counting.md has the
equations, their limits and what is left out.
"""

from __future__ import annotations

import numpy as np

from twentywatts.architecture import Architecture, Stack
from twentywatts.counting.parameters import count_parameters
from twentywatts.counting.passes import decode_step, draft_steps, prefill, sources
from twentywatts.counting.phases import joined, stack_parts
from twentywatts.counting.precision import Precision, precision_of
from twentywatts.counting.use import DecoderUse
from twentywatts.errors import InputError
from twentywatts.uncertain import Array
from twentywatts.workload_decoder import DecoderWorkload, Parallelism

__all__ = ["cache_bytes_per_token", "decoder_workload", "state_bytes_per_sequence", "weight_bytes"]

_NO_PARALLELISM = Parallelism()
_MOST_CHIPS = 65_536


def decoder_workload(
    architecture: Architecture,
    use: DecoderUse,
    *,
    precision: Precision | None = None,
    parallelism: Parallelism = _NO_PARALLELISM,
) -> DecoderWorkload:
    """Return the DecoderWorkload of serving an architecture; arrays have the broadcast shape of ``use``.

    precision: as published where None. Raises InputError for a parallelism that cannot be, and for an answer of no
    tokens from a model that writes.
    """
    held = precision or precision_of(architecture)
    _check(architecture, use, parallelism)
    arrays = sources(architecture, use.broadcast())
    step = decode_step(architecture.main, arrays, precision=held, parallelism=parallelism, speculation=use.speculation)
    if use.speculation:
        step = joined(step, draft_steps(architecture, arrays, use.speculation, parallelism=parallelism, precision=held))
    states = arrays["batch"] * state_bytes_per_sequence(architecture)
    return DecoderWorkload(
        name=architecture.name,
        prefill=prefill(architecture, arrays, precision=held, parallelism=parallelism),
        decode=step,
        step_count=arrays["written"] / (use.speculation.tokens_per_step if use.speculation else 1.0),
        batch=arrays["batch"],
        prompt_tokens=arrays["prompt"],
        output_tokens=arrays["output"],
        weight_bytes=_resident_weights(architecture, use, held, parallelism),
        cache_bytes=_resident_cache(architecture.main, arrays, precision=held, parallelism=parallelism) + states,
        parallelism=parallelism,
        precision=held.name,
        linear_bits=held.weights.linear,
        expert_bits=held.weights.experts,
        linear_operand_bits=held.linear_operand_bits,
        expert_operand_bits=held.expert_operand_bits,
        cache_bits=held.cache_bits,
        model_type=architecture.model_type,
        notes=_notes(architecture, arrays),
    )


def weight_bytes(architecture: Architecture, precision: Precision | None = None) -> float:
    """Return bytes of all weights, once: linear, experts and the rest at the bits that each is stored with."""
    bits = (precision or precision_of(architecture)).weights
    main = count_parameters(architecture.main)
    towers = sum(count_parameters(stack).total for stack in architecture.towers)
    rest = main.head + main.lookup + main.other + towers
    return (main.linear * bits.linear + main.experts * bits.experts + rest * bits.other) / 8.0


def cache_bytes_per_token(architecture: Architecture, precision: Precision | None = None) -> float:
    """Return bytes of keys and values that one token adds to the cache, while no window is full; 0 if it only reads."""
    if not architecture.main.causal:
        return 0.0
    bits = (precision or precision_of(architecture)).cache_bits
    return sum(count * part.cache_values for count, part in stack_parts(architecture.main)) * bits / 8.0


def state_bytes_per_sequence(architecture: Architecture) -> float:
    """Return bytes of recurrent state that one sequence keeps, however long it is."""
    return sum(count * part.state_bits_count for count, part in stack_parts(architecture.main)) / 8.0


def _check(architecture: Architecture, use: DecoderUse, parallelism: Parallelism) -> None:
    for name in ("tensor", "expert", "data"):
        size = getattr(parallelism, name)
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _MOST_CHIPS:
            raise InputError(f"{name} parallelism must be a whole number from 1 to {_MOST_CHIPS:,}, got {size!r}")
    chips = parallelism.chip_count
    if parallelism.expert not in (1, chips):
        raise InputError(f"experts lie on 1 chip or on all {chips} of the replica, got {parallelism.expert}")
    if parallelism.expert > 1 and not architecture.is_routed:
        raise InputError(f"'{architecture.name}' has no experts, so that expert parallelism must be 1")
    if architecture.main.causal and bool((use.arrays["output"] < 1).any()):
        raise InputError(f"'{architecture.name}' writes text: output tokens must be at least 1, got 0")
    if not architecture.main.causal and bool((use.arrays["output"] > 0).any()):
        raise InputError(f"'{architecture.name}' only reads: output tokens must be 0")


def _resident_weights(
    architecture: Architecture, use: DecoderUse, precision: Precision, parallelism: Parallelism
) -> float:
    """Return bytes of weights on all chips: one copy per group, of the experts one in all where they are spread."""
    experts = count_parameters(architecture.main).experts * precision.weights.experts / 8.0
    whole = weight_bytes(architecture, precision)
    expert_copies = 1 if parallelism.expert > 1 else parallelism.data
    draft = use.speculation.draft if use.speculation else None
    beside = weight_bytes(draft) if draft else whole * (use.speculation.draft_frac if use.speculation else 0.0)
    return (whole - experts) * parallelism.data + experts * expert_copies + beside * parallelism.data


def _resident_cache(main: Stack, arrays: dict[str, Array], *, precision: Precision, parallelism: Parallelism) -> Array:
    """Return bytes of keys and values of a batch at work; a window stores no more than it looks back.

    Requests begin at different times, so that of each half of its output is written in the mean. On top of that comes
    output × √B / 2, 1.7 standard deviations of their sum (1/√12 of the output each); a lone one is held to its end.
    """
    written = arrays["output"] * (1.0 + 1.0 / np.sqrt(arrays["batch"])) / 2.0
    length, total = arrays["begun"] + written, arrays["batch"] * 0.0
    for count, part in stack_parts(main):
        if part.cache_values and main.causal:
            kept = arrays["source"] if part.source else np.minimum(length, part.kept_tokens or np.inf)
            copies = max(1.0, parallelism.tensor / part.cache_heads)
            total = total + kept * (count * part.cache_values * precision.cache_bits / 8.0 * copies)
    return total * arrays["batch"]


def _notes(architecture: Architecture, arrays: dict[str, Array]) -> tuple[str, ...]:
    longest = float((arrays["prompt"] + arrays["output"]).max(initial=0.0))
    if architecture.max_tokens and longest > architecture.max_tokens:
        limit = f"{architecture.max_tokens:,}"
        return (*architecture.notes, f"the model takes {limit} tokens, and {longest:,.0f} were asked for")
    return architecture.notes
