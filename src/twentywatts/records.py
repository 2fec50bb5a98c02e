"""Records: frozen, slotted, keyword-only data classes and named tuples that cost microseconds to make.

A data class of the standard library costs a millisecond of every start (it writes and compiles its methods) after ten
for its own imports, a typing.NamedTuple those of typing. The meter stands in other people's programs, so it makes its
own: a type checker sees a data class, ``dataclasses.replace`` and ``fields`` work, and docs/decisions/0003 says why.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from enum import StrEnum
    from typing import Any, NamedTuple, TypeVar, dataclass_transform

    T = TypeVar("T")

__all__ = ["NamedTuple", "StrEnum", "record", "replace"]


class _Fields:
    """What the standard library asks a data class for; made when it is first asked."""

    def __get__(self, instance: object, kind: Any) -> dict[str, Any]:
        from dataclasses import field, make_dataclass

        found = [
            (name, text, field(default=kind._defaults[name])) if name in kind._defaults else (name, text)
            for name, text in zip(kind._names, kind._types, strict=True)
        ]
        twin: Any = make_dataclass(kind.__name__, found, kw_only=True)
        fields: dict[str, Any] = twin.__dataclass_fields__
        return fields


class _Record:
    """The methods of every record."""

    __slots__ = ()
    _names: tuple[str, ...] = ()  # of its fields
    _types: tuple[str, ...] = ()
    _shown: tuple[str, ...] = ()  # those that are printed and compared
    _defaults: dict[str, Any] = {}  # noqa: RUF012  # a table per class, never changed
    __dataclass_fields__ = _Fields()

    def __init__(self, **values: Any) -> None:
        put = object.__setattr__
        for name, default in self._defaults.items():
            if name not in values:
                put(self, name, default)
        for name, value in values.items():
            if name not in self._names:
                raise TypeError(f"{type(self).__name__} has no field '{name}'")
            put(self, name, value)
        if len(values) < len(self._names):
            missing = [name for name in self._names if name not in values and name not in self._defaults]
            if missing:
                raise TypeError(f"{type(self).__name__} needs {', '.join(missing)}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Check the fields; a record may bring its own."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot assign to field '{name}'")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete field '{name}'")

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self._shown)
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._shown)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in self._shown))

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (type(self), {name: getattr(self, name) for name in self._names})


def _made(kind: type[T], values: dict[str, Any]) -> T:
    return kind(**values)


def replace(one: T, **changes: Any) -> T:
    """Return a record with some fields changed; raises TypeError for a field that there is not."""
    values = {name: getattr(one, name) for name in one._names}  # type: ignore[attr-defined]
    return type(one)(**(values | changes))


def _record(kind: type, hidden: Iterable[str]) -> Any:
    space = dict(kind.__dict__)
    types = space.get("__annotations__", {})
    names = tuple(types)
    defaults = {name: space.pop(name) for name in names if name in space}
    for name in ("__dict__", "__weakref__"):
        space.pop(name, None)
    space |= {
        "__slots__": names,
        "_names": names,
        "_types": tuple(types.values()),
        "_shown": tuple(name for name in names if name not in hidden),
        "_defaults": defaults,
    }
    return type(kind.__name__, (_Record,), space)


def _named_tuple(name: str, space: dict[str, Any]) -> Any:
    from operator import itemgetter

    fields = tuple(space.get("__annotations__", {}))
    defaults = {field: space.pop(field) for field in fields if field in space}
    getters = {field: property(itemgetter(place)) for place, field in enumerate(fields)}
    return type(name, (_Row,), {**space, **getters, "__slots__": (), "_fields": fields, "_field_defaults": defaults})


class _Row(tuple):  # type: ignore[type-arg]
    """The methods of every named tuple."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    _field_defaults: dict[str, Any] = {}  # noqa: RUF012  # a table per class, never changed

    def __new__(cls, *values: Any, **named: Any) -> Any:
        if named or len(values) != len(cls._fields):
            table = {**cls._field_defaults, **dict(zip(cls._fields, values, strict=False)), **named}
            if len(values) > len(cls._fields) or table.keys() != set(cls._fields):
                raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
            values = tuple(table[field] for field in cls._fields)
        return tuple.__new__(cls, values)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **changes: Any) -> Any:
        return type(self)(**(self._asdict() | changes))


class _Tuples(type):
    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Any:
        return _named_tuple(name, space) if bases else super().__new__(cls, name, bases, space)


class _Words(type):
    """What the class of a StrEnum can do: be gone through, be asked for a member by its value or its name."""

    _members: dict[str, Any]

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Any:
        words = {key: value for key, value in space.items() if key.isupper() and isinstance(value, str)}
        kind: Any = super().__new__(cls, name, bases, {key: space[key] for key in space if key not in words})
        kind._members = {}
        for key, value in words.items():
            member = str.__new__(kind, value)
            member.name, member.value = key, value
            type.__setattr__(kind, key, member)
            kind._members[value] = member
        return kind

    def __call__(cls, value: object) -> Any:
        found = cls._members.get(value) if isinstance(value, str) else None
        if found is None:
            raise ValueError(f"{value!r} is not a valid {cls.__name__}")
        return found

    def __iter__(cls) -> Iterator[Any]:
        return iter(cls._members.values())

    def __len__(cls) -> int:
        return len(cls._members)

    def __contains__(cls, value: object) -> bool:
        return value in cls._members

    def __getitem__(cls, name: str) -> Any:
        return {member.name: member for member in cls}[name]

    def __setattr__(cls, name: str, value: object) -> None:
        if "_members" in cls.__dict__ and name.isupper():
            raise AttributeError(f"cannot assign to the member '{name}'")
        type.__setattr__(cls, name, value)


if TYPE_CHECKING:

    @dataclass_transform(kw_only_default=True, frozen_default=True)
    def record(*, hidden: tuple[str, ...] = ()) -> Callable[[type[T]], type[T]]:
        """Return the decorator of a record. hidden: fields that are neither printed nor compared."""
else:

    def record(*, hidden: tuple[str, ...] = ()) -> Callable[[type], type]:
        """Return the decorator of a record. hidden: fields that are neither printed nor compared."""
        return lambda kind: _record(kind, hidden)

    class NamedTuple(metaclass=_Tuples):
        """As typing.NamedTuple, whose import alone would cost more than all the meter's own."""

    class StrEnum(str, metaclass=_Words):
        """As enum.StrEnum: words in capitals are its members."""

        def __repr__(self) -> str:
            return f"<{type(self).__name__}.{self.name}: {str(self)!r}>"

        def __reduce__(self) -> tuple[Any, ...]:
            return type(self), (str(self),)

        def __copy__(self) -> Any:
            return self

        def __deepcopy__(self, memory: object) -> Any:
            return self
