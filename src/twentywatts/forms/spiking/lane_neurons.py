"""What neurons do to vectors of states: leak, charge, drive, threshold; each an instruction or a few.

Floats are neither reordered nor fused; integers count in the layer's unit and saturate. In the signatures v is the type
of the states, as V in the equations of docs/method/spiking-engine.md::

    state = charge(leak(state, decay, bounds), scaled(sum, gain) or drive(sum, bias, gain), bounds)
    fires = passes(state, below(threshold))        made once: an integer comparison with > needs no second instruction
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from twentywatts.forms.spiking.lanes import Lanes, inlined, same, spread, spread8

__all__ = ["DECAY_BITS", "LARGEST", "below", "bounds8", "charge", "drive", "leak", "passes", "scaled"]

DECAY_BITS = 15  # of an integer decay: 2^15 keeps everything
LARGEST = 2**30  # an integer membrane saturates here


@intrinsic
def leak(context: Any, v: Any, decay: Any, bounds: Any) -> Any:
    """Return v × decay; integers as round(v × decay / 2^15), halves up, in 32 bits without overflow."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if v.kind == "f32":
            return builder.fmul(args[0], args[1])
        rest, half = (builder.extract_value(args[2], number) for number in (0, 1))
        shift = same(args[0].type, DECAY_BITS)
        high = builder.mul(builder.ashr(args[0], shift), args[1])
        low = builder.mul(builder.and_(args[0], rest), args[1])
        return builder.add(high, builder.ashr(builder.add(low, half), shift))

    return v(v, decay, bounds), generate


@intrinsic
def charge(context: Any, v: Any, x: Any, bounds: Any) -> Any:
    """Return v + x; integers saturate at ±2^30."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if v.kind == "f32":
            return builder.fadd(args[0], args[1])
        total = builder.add(args[0], args[1])
        for number, order in ((2, "<"), (3, ">")):
            bound = builder.extract_value(args[2], number)
            total = builder.select(builder.icmp_signed(order, total, bound), total, bound)
        return total

    return v(v, x, bounds), generate


@inlined
def bounds8(known: Any) -> Any:
    """Return the constants of ``leak`` and ``charge``, 8 lanes each.

    known: is true, which the compiler does not know: so that they stay in registers instead of being made in each loop.
    """
    one = np.int32(known)
    rest, half = spread8(one * np.int32(2**DECAY_BITS - 1)), spread8(one * np.int32(2 ** (DECAY_BITS - 1)))
    return rest, half, spread8(one * np.int32(LARGEST)), spread8(one * np.int32(-LARGEST))


@intrinsic
def drive(context: Any, total: Any, bias: Any, gain: Any) -> Any:
    """Return what reaches the membrane: gain × (total + bias) in floats, gain × total + bias in integers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if total.kind == "f32":
            return builder.fmul(builder.fadd(args[0], args[1]), args[2])
        return builder.add(builder.mul(args[0], args[2]), args[1])

    return total(total, bias, gain), generate


@intrinsic
def scaled(context: Any, total: Any, gain: Any) -> Any:
    """Return total × gain."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return (builder.fmul if total.kind == "f32" else builder.mul)(*args)

    return total(total, gain), generate


@intrinsic
def below(context: Any, a: Any, known: Any) -> Any:
    """Return what lanes must be greater than to be at least a: one less in integers. known: as in ``bounds8``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if a.kind == "f32":
            return args[0]
        one = builder.zext(args[1], ir.IntType(32))
        return builder.sub(args[0], spread(context, builder, a, one))

    return a(a, known), generate


@intrinsic
def passes(context: Any, a: Any, b: Any) -> Any:
    """Return where a reaches what ``below`` gave."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fcmp_ordered(">=", *args) if a.kind == "f32" else builder.icmp_signed(">", *args)

    return Lanes("i1", a.count)(a, b), generate
