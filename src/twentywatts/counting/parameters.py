"""Parameters of an architecture: all of them, those that one token meets, and the bytes they take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twentywatts.architecture import Architecture, Layers, Stack
from twentywatts.counting.parts import Part, cross_part, ffn_part, matrix_count, mixer_part

__all__ = ["ParameterCount", "active_parameter_count", "count_parameters", "layer_parts", "parameter_count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterCount:
    """Parameters of a stack or a model, by what sets their precision and by when they are read.

    linear: matrices of attention and dense parts. experts: matrices of all experts; active_experts: those that one
    token meets. head: the final product (0 where it is tied). lookup: embedding and position tables. other: routers,
    norms, biases, what stands before and after the layers; active_other: those that one token meets.
    """

    linear: int = 0
    experts: int = 0
    active_experts: int = 0
    head: int = 0
    lookup: int = 0
    other: int = 0
    active_other: int = 0

    @property
    def total(self) -> int:
        """Every parameter once."""
        return self.linear + self.experts + self.head + self.lookup + self.other

    def __add__(self, other: ParameterCount) -> ParameterCount:
        pairs = {name: getattr(self, name) + getattr(other, name) for name in self.__slots__}
        return ParameterCount(**pairs)

    def times(self, count: int) -> ParameterCount:
        """Return the parameters of so many alike."""
        return ParameterCount(**{name: getattr(self, name) * count for name in self.__slots__})


def layer_parts(group: Layers, hidden_size: int) -> Iterator[Part]:
    """Yield the parts of one layer: its mixer, its attention to another stack, its feed-forward part."""
    if group.mixer is not None:
        yield mixer_part(group.mixer, hidden_size)
    if group.cross is not None:
        yield cross_part(group.cross, hidden_size)
    if group.feed_forward is not None:
        yield ffn_part(group.feed_forward, hidden_size)


def _of_part(part: Part) -> ParameterCount:
    expert, router = matrix_count(part.routed), matrix_count(part.other)
    return ParameterCount(
        linear=matrix_count(part.linear) + matrix_count(part.source),
        experts=expert * part.expert_count,
        active_experts=expert * part.per_token,
        other=router + part.extra_parameter_count,
        active_other=router + part.active_extra_parameter_count,
    )


def count_parameters(stack: Stack) -> ParameterCount:
    """Return the parameters of one stack."""
    embedding = stack.vocabulary_size * (stack.embedding_size or stack.hidden_size)
    around = stack.input_parameter_count + stack.output_parameter_count + stack.extra_parameter_count
    found = ParameterCount(
        head=0 if stack.tied else stack.head_size * (stack.embedding_size or stack.hidden_size),
        lookup=embedding + stack.lookup_parameter_count,
        other=around,
        active_other=around,
    )
    for group in stack.layers:
        extra = ParameterCount(other=group.extra_parameter_count, active_other=group.extra_parameter_count)
        layer = sum((_of_part(part) for part in layer_parts(group, stack.hidden_size)), extra)
        found += layer.times(group.count)
    return found


def parameter_count(architecture: Architecture) -> int:
    """Return the number of parameters, all stacks, a tied table once."""
    return sum(count_parameters(stack).total for stack in architecture.stacks)


def active_parameter_count(architecture: Architecture, *, tables: str = "both") -> int:
    """Return the parameters that one token of the main stack meets: all but the experts it is not sent to.

    Towers do not count: a token of text meets none. Publishers differ in what else they count: tables is ``both`` for
    the embedding (of which a token meets one row) and the head, ``head`` for the head alone, ``none`` for neither.
    """
    main = count_parameters(architecture.main)
    passed = main.linear + main.active_experts + main.active_other
    head = main.lookup if architecture.main.tied else main.head
    return passed + {"none": 0, "head": head, "both": main.lookup + main.head}[tables]
