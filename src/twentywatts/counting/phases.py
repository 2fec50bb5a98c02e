"""One pass of tokens through a stack, counted: what each class of weights does and reads, and what the cache sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twentywatts.architecture import Stack
from twentywatts.counting.context import touched_frac
from twentywatts.counting.parameters import layer_parts
from twentywatts.counting.parts import Part, matrix_count
from twentywatts.counting.precision import Precision
from twentywatts.uncertain import Array
from twentywatts.workload_decoder import DecoderPhase, Parallelism, WeightWork

__all__ = ["Pass", "joined", "pass_through", "repeated", "scaled", "stack_parts"]

_WORKS = ("linear", "experts", "other")
_ADDED = (
    "attention_mac_count cache_read_bytes cache_write_bytes activation_bytes layer_count expert_layer_count "
    "collective_count collective_bytes"
).split()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pass:
    """What goes through a stack at once.

    token_count: tokens that pass, of all sequences. result_count: of those, the ones whose next token is asked for.
    sequence_count: sequences whose caches and states are read. seen: window → pairs of tokens that attention forms,
    all sequences together. read: window → tokens whose keys and values are read, all sequences together. decode:
    whether the cache is read token by token (latents stay compressed then). source_each: tokens of another stack that
    one sequence attends to.
    """

    token_count: Array
    result_count: Array
    sequence_count: Array
    seen: Callable[[int], Array]
    read: Callable[[int], Array]
    decode: bool
    source_each: Array | float = 0.0


def stack_parts(stack: Stack) -> Iterator[tuple[int, Part]]:
    """Yield (layers, part) for every part of every group of layers."""
    for group in stack.layers:
        for part in layer_parts(group, stack.hidden_size):
            yield group.count, part


def pass_through(stack: Stack, traffic: Pass, *, precision: Precision, parallelism: Parallelism) -> DecoderPhase:
    """Return the DecoderPhase of one pass through a stack; embeddings are looked up, the head sees results only.

    Weights are read once per group of data parallelism. Experts are read where a token of the group (of the replica,
    where the experts lie over all its chips) touches them.
    """
    parts = list(stack_parts(stack))
    experts, touched, routed_layers = _experts(parts, traffic.token_count, precision=precision, parallelism=parallelism)
    rounds, sent = _communication(stack, traffic, parts, precision=precision, parallelism=parallelism)
    return DecoderPhase(
        token_count=traffic.token_count,
        linear=_linear(parts, traffic, precision=precision, parallelism=parallelism),
        experts=experts,
        other=_other(stack, parts, traffic, precision=precision, parallelism=parallelism),
        attention_mac_count=_attention_macs(parts, traffic),
        cache_read_bytes=_cache(parts, traffic, precision=precision, parallelism=parallelism, written=False),
        cache_write_bytes=_cache(parts, traffic, precision=precision, parallelism=parallelism, written=True),
        activation_bytes=_activations(stack, parts, traffic, precision),
        touched_frac=touched,
        layer_count=float(stack.layer_count),
        expert_layer_count=routed_layers,
        collective_count=rounds,
        collective_bytes=sent,
    )


def _linear(
    parts: list[tuple[int, Part]], traffic: Pass, *, precision: Precision, parallelism: Parallelism
) -> WeightWork:
    """Return the work with matrices that every token passes; those for another stack's tokens work in the prefill."""
    passed = float(sum(count * matrix_count(part.linear) for count, part in parts))
    source = 0.0 if traffic.decode else float(sum(count * matrix_count(part.source) for count, part in parts))
    read = (passed + source) * precision.weights.linear / 8.0 * parallelism.data
    macs = traffic.token_count * passed + traffic.sequence_count * traffic.source_each * source
    return WeightWork(mac_count=macs, weight_bytes=_full(macs, read))


def _other(
    stack: Stack,
    parts: list[tuple[int, Part]],
    traffic: Pass,
    *,
    precision: Precision,
    parallelism: Parallelism,
) -> WeightWork:
    """Return the work with routers, norms, biases, what stands around the layers, and the head."""
    router = sum(count * matrix_count(part.other) for count, part in parts)
    extra = sum(count * part.active_extra_parameter_count for count, part in parts)
    extra += sum(group.count * group.extra_parameter_count for group in stack.layers) + stack.extra_parameter_count
    around = stack.input_parameter_count + stack.output_parameter_count
    head = stack.head_size * (stack.embedding_size or stack.hidden_size)
    per_token = router + stack.input_mac_count + stack.output_parameter_count * stack.output_token_frac
    macs = traffic.token_count * float(per_token) + traffic.result_count * float(head)
    read = float(router + extra + around + head) * precision.weights.other / 8.0 * parallelism.data
    return WeightWork(mac_count=macs, weight_bytes=_full(macs, read))


def _full(like: Array, value: float) -> Array:
    """Return a value in the shape of an array."""
    return np.full(np.shape(like), value)


def _experts(
    parts: list[tuple[int, Part]], tokens: Array, *, precision: Precision, parallelism: Parallelism
) -> tuple[WeightWork, Array, float]:
    """Return the work with experts, the share of them that is touched (mean over layers), and how many layers route."""
    groups = 1 if parallelism.expert > 1 else parallelism.data
    macs, read, touched, layers = tokens * 0.0, tokens * 0.0, tokens * 0.0, 0
    for count, part in parts:
        if not part.expert_count:
            continue
        expert = float(matrix_count(part.routed))
        share = touched_frac(tokens / groups, expert_count=part.expert_count, per_token=part.per_token)
        macs = macs + tokens * (count * part.per_token * expert)
        read = read + share * (count * part.expert_count * expert * precision.weights.experts / 8.0 * groups)
        touched, layers = touched + share * count, layers + count
    work = WeightWork(mac_count=macs, weight_bytes=read)
    return work, touched / max(layers, 1), float(layers)


def _attention_macs(parts: list[tuple[int, Part]], traffic: Pass) -> Array:
    total = traffic.token_count * float(sum(count * part.token_macs for count, part in parts))
    for count, part in parts:
        pair = part.decode_pair_macs if traffic.decode else part.prefill_pair_macs
        if part.source:
            total = total + traffic.token_count * traffic.source_each * float(count * pair)
        elif pair:
            total = total + traffic.seen(part.window_tokens) * float(count * pair)
        if part.decode_scan_macs:
            total = total + traffic.seen(0) * float(count * part.decode_scan_macs)
    return total


def _cache(
    parts: list[tuple[int, Part]], traffic: Pass, *, precision: Precision, parallelism: Parallelism, written: bool
) -> Array:
    """Return bytes of keys, values and states that are read or written, with the copies that chips hold."""
    total = traffic.token_count * 0.0
    for count, part in parts:
        if part.cache_values:
            tokens = traffic.token_count if written else traffic.read(part.window_tokens)
            if part.source:
                tokens = traffic.sequence_count * traffic.source_each * (not (written and traffic.decode))
            copies = max(1.0, parallelism.tensor / part.cache_heads)
            total = total + tokens * (count * part.cache_values * precision.cache_bits / 8.0 * copies)
        if part.state_bits_count:
            total = total + traffic.sequence_count * (count * part.state_bits_count / 8.0)
    return total


def _activations(stack: Stack, parts: list[tuple[int, Part]], traffic: Pass, precision: Precision) -> Array:
    """Return bytes that products read and write, with the residual stream around each part and the logits."""
    values = sum(count * (part.activation_values + 2 * stack.hidden_size) for count, part in parts)
    logits = stack.head_size + stack.hidden_size if stack.head_size else 0
    total: Array = traffic.token_count * float(values) + traffic.result_count * float(logits)
    return total * (precision.activation_bits / 8.0)


def _communication(
    stack: Stack, traffic: Pass, parts: list[tuple[int, Part]], *, precision: Precision, parallelism: Parallelism
) -> tuple[float, Array]:
    """Return rounds that follow each other, and bytes that all chips send.

    Tensor: after each part, a ring all-reduce over t chips, 2 (t − 1) times the values of the group's tokens; and the
    logits are gathered once. Experts over groups: a token goes to its k experts and comes back, (1 − 1/e) of them on
    another chip. Inside one group of tensor parallelism tokens are on every chip already and only the sum is needed.
    """
    tensor, chips = parallelism.tensor, parallelism.expert
    spread = chips > 1 and parallelism.data > 1
    value_bytes = stack.hidden_size * precision.activation_bits / 8.0
    sums = sum(count for count, part in parts if not (spread and part.expert_count)) if tensor > 1 else 0
    rounds = float(sums)
    sent = traffic.token_count * (sums * 2.0 * (tensor - 1) * value_bytes)
    if tensor > 1 and stack.head_size:
        rounds += 1.0
        sent = sent + traffic.result_count * (stack.head_size * precision.activation_bits / 8.0 * (tensor - 1) / tensor)
    if spread:
        routed = [(count, part) for count, part in parts if part.expert_count]
        rounds += 2.0 * sum(count for count, _ in routed)
        moved = sum(count * part.per_token for count, part in routed)
        sent = sent + traffic.token_count * (2.0 * moved * (1.0 - 1.0 / chips) * value_bytes)
    return rounds, sent


def scaled(work: WeightWork, factor: float) -> WeightWork:
    """Return a WeightWork so many times over."""
    return WeightWork(mac_count=work.mac_count * factor, weight_bytes=work.weight_bytes * factor)


def joined(one: DecoderPhase, two: DecoderPhase) -> DecoderPhase:
    """Return two passes that follow each other as one; the first one's tokens and touched share stay."""
    added: dict[str, Any] = {name: getattr(one, name) + getattr(two, name) for name in _ADDED}
    for name in _WORKS:
        first, second = getattr(one, name), getattr(two, name)
        added[name] = WeightWork(
            mac_count=first.mac_count + second.mac_count, weight_bytes=first.weight_bytes + second.weight_bytes
        )
    return replace(one, **added)


def repeated(phase: DecoderPhase, times: float) -> DecoderPhase:
    """Return a pass so many times over."""
    changes: dict[str, Any] = {name: getattr(phase, name) * times for name in _ADDED}
    changes |= {name: scaled(getattr(phase, name), times) for name in _WORKS}
    return replace(phase, **changes)
