"""Vectors for numba: whole registers as values, so that sums stay in registers and loops need no luck to vectorise.

Each function below becomes one instruction of LLVM on a vector of fixed length; LLVM splits it into what the machine
has (AVX2, AVX-512, NEON, scalar). Nothing is reordered and no multiplication is fused with an addition.

A *place* is a pointer into an array, which must be kept alive beside it. A number in a name is the count of lanes::

    places         pointer, moved, room, sums_room
    place → lanes  row8 row32 row64 (bytes widened), row8_as row32_as (to the type at another place), words64, as_many
    place → bits   word, long (bytes as an integer), flags64 (which bytes are not zero)
    lanes → place  store; unite (sets bits)
    constants      zeros8 zeros32 zeros64, none_of, spread8, splat64
    arithmetic     add, minus, shift_left, shift_right
    conditions     at_least, pick, bits (as a byte or a word); ones and lowest of a word
    making code    read, same, spread: for intrinsics in other files

What neurons do with lanes is in ``lane_neurons``; its fast form for sums of 16 bits in ``lane_tame``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, models, register_model

__all__ = [
    "Lanes",
    "add",
    "as_many",
    "at_least",
    "bits",
    "compiled",
    "flags64",
    "inlined",
    "long",
    "lowest",
    "minus",
    "moved",
    "none_of",
    "ones",
    "pick",
    "pointer",
    "read",
    "room",
    "row8",
    "row8_as",
    "row32",
    "row32_as",
    "row64",
    "same",
    "shift_left",
    "shift_right",
    "splat64",
    "spread",
    "spread8",
    "store",
    "sums_room",
    "unite",
    "word",
    "words64",
    "zeros8",
    "zeros32",
    "zeros64",
]

_F = TypeVar("_F", bound=Callable[..., Any])
_ELEMENTS = {"i1": ir.IntType(1), "i16": ir.IntType(16), "i32": ir.IntType(32), "f32": ir.FloatType()}
_KINDS = {types.float32: "f32", types.int32: "i32", types.int16: "i16"}


def compiled(function: _F) -> _F:
    """Return the function compiled, without the GIL, and kept on disk where the folder can be written."""
    try:
        return njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")(function)
    except RuntimeError:  # no folder for the cache can be written
        return njit(nogil=True, boundscheck=False, error_model="numpy")(function)


def inlined(function: _F) -> _F:
    """Return a compiled function that becomes a part of each caller, so that its vectors stay in registers."""
    return njit(inline="always", boundscheck=False, error_model="numpy")(function)


class Lanes(types.Type):  # type: ignore[misc]
    """A vector of ``count`` elements of one kind."""

    def __init__(self, kind: str, count: int) -> None:
        self.kind, self.count = kind, count
        super().__init__(name=f"Lanes({kind}x{count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, ir.VectorType(_ELEMENTS[lanes.kind], lanes.count))


@intrinsic
def pointer(context: Any, array: Any) -> Any:
    """Return where an array's elements begin: what counts no references. The array must be kept alive beside it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_array(array)(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def room(context: Any, words: Any, offset: Any, like: Any) -> Any:
    """Return the place ``offset`` words of 64 bits into an array of them, for numbers as they are at ``like``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        begin = builder.gep(context.make_array(words)(context, builder, args[0]).data, [args[1]])
        return builder.bitcast(begin, context.get_value_type(like))

    return like(words, types.int64, like), generate


@intrinsic
def sums_room(context: Any, words: Any, like: Any) -> Any:
    """Return the place of an array of 64-bit words for sums of a few weights as at ``like``, 16 bits for bytes."""
    kind = types.CPointer(types.int16 if like.dtype == types.int8 else like.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        begin = context.make_array(words)(context, builder, args[0]).data
        return builder.bitcast(begin, context.get_value_type(kind))

    return kind(words, like), generate


@intrinsic
def moved(context: Any, place: Any, count: Any) -> Any:
    """Return the place ``count`` elements further on."""
    return place(place, types.int64), lambda context, builder, signature, args: builder.gep(args[0], [args[1]])


@intrinsic
def unite(context: Any, into: Any, offset: Any, more: Any) -> Any:
    """Set in the 8 bytes at ``into + offset`` the bits that are set in a word of 64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = builder.bitcast(builder.gep(args[0], [args[1]]), ir.IntType(64).as_pointer())
        old = builder.load(target)
        old.align = 1
        builder.store(builder.or_(old, args[2]), target).align = 1
        return context.get_dummy_value()

    return types.void(into, types.int64, types.uint64), generate


def read(builder: Any, place: Any, vector: Any) -> Any:
    """Return a vector that lies at a place, aligned or not, while code is made."""
    found = builder.load(builder.bitcast(place, vector.as_pointer()))
    found.align = 1
    return found


def _widened(builder: Any, begin: Any, place: Any, wanted: Any) -> Any:
    """Read as many elements as ``wanted`` has; integers of fewer bits are widened."""
    bits = place.dtype.bitwidth
    if isinstance(wanted.element, ir.FloatType) or wanted.element.width == bits:
        return read(builder, begin, wanted)
    return builder.sext(read(builder, begin, ir.VectorType(ir.IntType(bits), wanted.count)), wanted)


def _rows(count: int) -> Any:
    """Return a load of ``count`` elements; integers of fewer bits are widened to 32, other types stay."""

    @intrinsic
    def row(context: Any, place: Any, offset: Any) -> Any:
        kind = "f32" if place.dtype == types.float32 else "i32"
        lanes = Lanes(kind, count)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            begin = builder.gep(args[0], [args[1]])
            return _widened(builder, begin, place, context.get_value_type(lanes))

        return lanes(place, types.int64), generate

    return row


def _rows_as(count: int) -> Any:
    """Return a load of ``count`` elements, widened to the type of the elements at another place."""

    @intrinsic
    def row(context: Any, kind: Any, place: Any, offset: Any) -> Any:
        lanes = Lanes(_KINDS[kind.dtype], count)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            begin = builder.gep(args[1], [args[2]])
            return _widened(builder, begin, place, context.get_value_type(lanes))

        return lanes(kind, place, types.int64), generate

    return row


@intrinsic
def as_many(context: Any, lanes: Any, place: Any, offset: Any) -> Any:
    """Return a load of as many elements as ``lanes`` has."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return read(builder, builder.gep(args[1], [args[2]]), context.get_value_type(lanes))

    return lanes(lanes, place, types.int64), generate


@intrinsic
def none_of(context: Any, lanes: Any) -> Any:
    """Return zeros, as many as ``lanes`` has."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(lanes), None)

    return lanes(lanes), generate


def _words(count: int) -> Any:
    """Return a load of 2 × ``count`` bytes as ``count`` 16-bit numbers."""
    lanes = Lanes("i16", count)

    @intrinsic
    def words(context: Any, place: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return read(builder, builder.gep(args[0], [args[1]]), context.get_value_type(lanes))

        return lanes(place, types.int64), generate

    return words


row8, row32, row64 = _rows(8), _rows(32), _rows(64)
row8_as, row32_as = _rows_as(8), _rows_as(32)
words64 = _words(64)


@intrinsic
def store(context: Any, place: Any, offset: Any, lanes: Any) -> Any:
    """Write lanes to ``place`` from ``offset`` on, as they are."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = args[2]
        begin = builder.gep(args[0], [args[1]])
        done = builder.store(value, builder.bitcast(begin, value.type.as_pointer()))
        done.align = 1
        return context.get_dummy_value()

    return types.void(place, types.int64, lanes), generate


def _integers(kind: Any) -> Any:
    @intrinsic
    def integer(context: Any, place: Any, offset: Any) -> Any:
        """Return the bytes at ``place + offset`` as one integer."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return read(builder, builder.gep(args[0], [args[1]]), ir.IntType(kind.bitwidth))

        return kind(place, types.int64), generate

    return integer


word, long = _integers(types.uint32), _integers(types.uint64)


@intrinsic
def flags64(context: Any, place: Any, offset: Any) -> Any:
    """Return which of the 64 bytes at ``place + offset`` are not zero, a bit for each."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = read(builder, builder.gep(args[0], [args[1]]), ir.VectorType(ir.IntType(8), 64))
        zeros = ir.Constant(found.type, None)
        return builder.bitcast(builder.icmp_unsigned("!=", found, zeros), ir.IntType(64))

    return types.uint64(place, types.int64), generate


def spread(context: Any, builder: Any, lanes: Lanes, value: Any) -> Any:
    """Return lanes that all hold a scalar, while code is made."""
    wanted = context.get_value_type(lanes)
    first = builder.insert_element(ir.Constant(wanted, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes.count), [0] * lanes.count)
    return builder.shuffle_vector(first, ir.Constant(wanted, ir.Undefined), mask)


def _splats(count: int) -> Any:
    """Return what fills ``count`` lanes with a 16-bit scalar."""

    @intrinsic
    def splat(context: Any, value: Any) -> Any:
        lanes = Lanes("i16", count)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return spread(context, builder, lanes, args[0])

        return lanes(types.int16), generate

    return splat


@intrinsic
def spread8(context: Any, value: Any) -> Any:
    """Return 8 lanes that all hold a scalar (int32 or float32)."""
    lanes = Lanes("f32" if value == types.float32 else "i32", 8)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return spread(context, builder, lanes, args[0])

    return lanes(types.float32 if value == types.float32 else types.int32), generate


def _zeros(count: int) -> Any:
    """Return ``count`` zeros of the kind of a place's elements, 32 bits of bytes."""

    @intrinsic
    def zeros(context: Any, place: Any) -> Any:
        lanes = Lanes(_KINDS.get(place.dtype, "i32"), count)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return ir.Constant(context.get_value_type(lanes), None)

        return lanes(place), generate

    return zeros


zeros8, zeros32, zeros64 = _zeros(8), _zeros(32), _zeros(64)


splat64 = _splats(64)


def _pairs(floating: str, whole: str) -> Any:
    @intrinsic
    def operation(context: Any, a: Any, b: Any) -> Any:
        name = floating if a.kind == "f32" else whole
        return a(a, b), lambda context, builder, signature, args: getattr(builder, name)(*args)

    return operation


add, minus = _pairs("fadd", "add"), _pairs("fsub", "sub")
shift_left, shift_right = _pairs("", "shl"), _pairs("", "ashr")


def same(vector: Any, value: int) -> Any:
    """Return a constant whose lanes all hold a value, while code is made."""
    return ir.Constant(vector, [value] * vector.count)


@intrinsic
def at_least(context: Any, a: Any, b: Any) -> Any:
    """Return where a ≥ b."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fcmp_ordered(">=", *args) if a.kind == "f32" else builder.icmp_signed(">=", *args)

    return Lanes("i1", a.count)(a, b), generate


@intrinsic
def pick(context: Any, where: Any, a: Any, b: Any) -> Any:
    """Return a where the condition holds, b elsewhere."""
    return a(where, a, b), lambda context, builder, signature, args: builder.select(*args)


@intrinsic
def bits(context: Any, where: Any) -> Any:
    """Return a condition of 8 lanes as a byte, of 32 as a word, the first lane in the lowest bit."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(where.count))

    return (types.uint8 if where.count == 8 else types.uint32)(where), generate


@intrinsic
def lowest(context: Any, word: Any) -> Any:
    """Return the position of the lowest set bit of a word, 64 of zero."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def ones(context: Any, word: Any) -> Any:
    """Return how many bits of a word are set."""
    return types.uint64(types.uint64), lambda context, builder, signature, args: builder.ctpop(args[0])
