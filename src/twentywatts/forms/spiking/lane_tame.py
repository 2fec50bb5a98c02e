"""Sums of 16 bits, and what they do to neurons whose states no such sum can bring near the limit of 32 bits.

16 sums lie woven, 0 8 1 9 … 7 15: so the first 8 are the lower halves of 8 words of 32 bits, the others the upper, and
nothing need be widened. Floats lie in order and take the same functions.

``lower8`` and ``upper8`` load such sums widened. ``tame_lower`` and ``tame_upper`` make new states, leak(v) + gain × x,
of sums as they lie, ``tame8`` of widened ones; ``tame_leak`` is a step without input, ``tame_parts`` prepares decay and
gain. With v = 2^15 a + b, b of 15 bits, leak(v) is a × decay + round(b × decay / 2^15): AVX2 has an instruction for the
first product together with gain × x (pmadd) and one for the second (pmulhrs); elsewhere 32-bit arithmetic does it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from twentywatts.forms.spiking.lane_neurons import DECAY_BITS
from twentywatts.forms.spiking.lanes import Lanes, inlined, read, same

__all__ = ["lower8", "tame8", "tame_leak", "tame_lower", "tame_parts", "tame_upper", "upper8"]


def _woven(builder: Any, begin: Any, vector: Any, *, upper: bool, widened: bool) -> Any:
    """Return 8 of 16 numbers at ``begin``, the first or (upper) the others, while code is made.

    Numbers of 16 bits lie woven, 0 8 1 9 … 7 15, and come in pairs of 32 bits unless they are ``widened``.
    """
    if isinstance(vector.element, ir.FloatType):
        return read(builder, builder.gep(begin, [ir.Constant(ir.IntType(64), 8 * upper)]), vector)
    found, half = read(builder, begin, vector), same(vector, 16)
    if not widened:
        return found
    return builder.ashr(found if upper else builder.shl(found, half), half)


def _halves(upper: bool) -> Any:
    """Return a load of 8 of 16 numbers, integers of 16 bits widened."""

    @intrinsic
    def half(context: Any, place: Any, offset: Any) -> Any:
        lanes = Lanes("f32" if place.dtype == types.float32 else "i32", 8)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            vector = context.get_value_type(lanes)
            return _woven(builder, builder.gep(args[0], [args[1]]), vector, upper=upper, widened=True)

        return lanes(place, types.int64), generate

    return half


lower8, upper8 = _halves(False), _halves(True)


def _tame(upper: bool) -> Any:
    """Return the function that makes new states of 8 of 16 neurons, leak(v) + gain × x, x as ``lower8`` or ``upper8``.

    For states below 2^30, and gains and decays of 16 bits, positive: products of 16 bits are all that it takes.
    """

    @intrinsic
    def tame(context: Any, v: Any, place: Any, offset: Any, parts: Any, bounds: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            state, begin, start, held, constants = args
            begin, widened = builder.gep(begin, [start]), not _multiplies_pairs(context)
            x = _woven(builder, begin, state.type, upper=upper, widened=widened)
            return _new_states(context, builder, (v.kind, state, x, held, constants), upper=upper)

        return v(v, place, types.int64, parts, bounds), generate

    return tame


def _new_states(context: Any, builder: Any, args: Any, *, upper: bool) -> Any:
    """Return leak(v) + gain × x while code is made; args: kind, v, x, parts, bounds."""
    kind, state, x, held, constants = args
    values = [builder.extract_value(held, number) for number in range(4)]
    if kind == "f32":
        return builder.fadd(builder.fmul(state, values[0]), builder.fmul(x, values[1]))
    rest, half = (builder.extract_value(constants, number) for number in (0, 1))
    if _multiplies_pairs(context):
        return _in_pairs(builder, (state, x, rest), (values[0], values[2 + upper]), upper=upper)
    shift = same(state.type, DECAY_BITS)
    low = builder.ashr(builder.add(builder.mul(builder.and_(state, rest), values[0]), half), shift)
    high = builder.mul(builder.ashr(state, shift), values[0])
    return builder.add(builder.add(high, low), builder.mul(x, values[1]))


@intrinsic
def tame_leak(context: Any, v: Any, parts: Any, bounds: Any) -> Any:
    """Return leak(v)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state, held, constants = args
        decay = builder.extract_value(held, 0)
        if v.kind == "f32":
            return builder.fmul(state, decay)
        rest, half = (builder.extract_value(constants, number) for number in (0, 1))
        shift, low = same(state.type, DECAY_BITS), builder.and_(state, rest)
        if _multiplies_pairs(context):
            low = _rounded(builder, low, decay)
        else:
            low = builder.ashr(builder.add(builder.mul(low, decay), half), shift)
        return builder.add(builder.mul(builder.ashr(state, shift), decay), low)

    return v(v, parts, bounds), generate


def _rounded(builder: Any, low: Any, decay: Any) -> Any:
    """Return low × decay / 2^15, rounded, of numbers of 15 bits, while code is made."""
    halves = ir.VectorType(ir.IntType(16), 2 * low.type.count)
    args = builder.bitcast(low, halves), builder.bitcast(decay, halves)
    return builder.bitcast(_called(builder, "llvm.x86.avx2.pmul.hr.sw", halves, args), low.type)


def _multiplies_pairs(context: Any) -> bool:
    """Return whether code is made for a machine that multiplies 16-bit numbers and adds neighbours at once."""
    return "+avx2" in context.codegen().magic_tuple()[2].split(",")


def _in_pairs(builder: Any, terms: tuple[Any, Any, Any], factors: tuple[Any, Any], *, upper: bool) -> Any:
    """Return leak(v) + gain × x with v = 2^15 a + b: a × decay + x × gain in one, and b × decay / 2^15, rounded."""
    (state, x, rest), (decay, both) = terms, factors
    halves = ir.VectorType(ir.IntType(16), 2 * state.type.count)
    moved = builder.lshr(state, same(state.type, DECAY_BITS)) if upper else builder.shl(state, same(state.type, 1))
    order = [lane + halves.count * (lane % 2 != upper) for lane in range(halves.count)]
    mask = ir.Constant(ir.VectorType(ir.IntType(32), halves.count), order)
    a, x = builder.bitcast(moved, halves), builder.bitcast(x, halves)
    factors = builder.shuffle_vector(x, a, mask), builder.bitcast(both, halves)
    whole = _called(builder, "llvm.x86.avx2.pmadd.wd", state.type, factors)
    return builder.add(whole, _rounded(builder, builder.and_(state, rest), decay))


def _called(builder: Any, name: str, wanted: Any, args: tuple[Any, Any]) -> Any:
    kind = ir.FunctionType(wanted, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


tame_lower, tame_upper = _tame(False), _tame(True)


@intrinsic
def tame8(context: Any, v: Any, x: Any, parts: Any, bounds: Any) -> Any:
    """Return what ``tame_lower`` does, of sums that are widened already."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _new_states(context, builder, (v.kind, *args), upper=False)

    return v(v, x, parts, bounds), generate


@intrinsic
def _pairs(context: Any, low: Any, high: Any) -> Any:
    """Return lanes that hold the one number in 16 bits below the other; floats as ``low``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if low.kind == "f32":
            return args[0]
        kept = builder.and_(args[0], same(args[0].type, 2**16 - 1))
        return builder.or_(kept, builder.shl(args[1], same(args[0].type, 16)))

    return low(low, high), generate


@inlined
def tame_parts(decay: Any, gain: Any) -> Any:
    """Return what ``tame_lower`` and ``tame_upper`` multiply by."""
    return decay, gain, _pairs(gain, decay), _pairs(decay, gain)
