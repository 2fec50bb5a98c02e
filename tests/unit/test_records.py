"""Records look like data classes to everybody who asks, and cost less."""

import copy
import dataclasses
import pickle

import pytest

from twentywatts.records import NamedTuple, StrEnum, record, replace


@record(hidden=("read",))
class Counter:
    """One counter."""

    key: str
    read: object = None
    step_j: float = 0.5
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.key.upper()


class Edge(NamedTuple):
    """A moment."""

    time_s: float
    busy_s: float | None = None

    @property
    def double_s(self) -> float:
        return 2 * self.time_s


def test_a_record_has_its_fields_and_defaults() -> None:
    one = Counter(key="a", step_j=2.0)
    assert (one.key, one.read, one.step_j, one.notes, one.name) == ("a", None, 2.0, (), "A")
    assert repr(one) == "Counter(key='a', step_j=2.0, notes=())"
    assert not hasattr(one, "__dict__")


def test_hidden_fields_are_not_compared() -> None:
    assert Counter(key="a", read=1) == Counter(key="a", read=2) != Counter(key="b")
    assert hash(Counter(key="a", read=1)) == hash(Counter(key="a", read=2))
    assert Counter(key="a") != ("a", None, 0.5, ())


def test_a_record_does_not_change() -> None:
    one = Counter(key="a")
    with pytest.raises(AttributeError, match="key"):
        one.key = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="key"):
        del one.key
    with pytest.raises(AttributeError):
        object.__setattr__(one, "more", 1)


@pytest.mark.parametrize(("given", "hint"), [({}, "needs key"), ({"key": "a", "kye": "b"}, "no field 'kye'")])
def test_a_wrong_field_is_named(given: dict[str, str], hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        Counter(**given)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Counter("a")  # type: ignore[misc]
    with pytest.raises(TypeError, match="no field"):
        replace(Counter(key="a"), kye="b")


def test_the_standard_library_takes_it_for_a_data_class() -> None:
    one = Counter(key="a", notes=("n",))
    assert dataclasses.is_dataclass(one)
    assert [field.name for field in dataclasses.fields(one)] == ["key", "read", "step_j", "notes"]
    assert dataclasses.replace(one, key="b") == replace(one, key="b") == Counter(key="b", notes=("n",))
    assert dataclasses.asdict(one) == {"key": "a", "read": None, "step_j": 0.5, "notes": ("n",)}


def test_copies_are_equal() -> None:
    for one in (Counter(key="a", step_j=3.0), Edge(1.0)):
        assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
        assert type(pickle.loads(pickle.dumps(one))) is type(one)


def test_a_record_may_check_itself() -> None:
    @record()
    class Checked:
        value: int

        def __post_init__(self) -> None:
            if self.value < 0:
                raise ValueError("less than none")

    assert Checked(value=1).value == 1
    with pytest.raises(ValueError, match="less than none"):
        Checked(value=-1)


def test_a_named_tuple_is_a_tuple() -> None:
    edge = Edge(1.5)
    time_s, busy_s = edge
    assert (time_s, busy_s) == (1.5, None) == edge
    assert edge.double_s == 3.0
    assert edge._replace(busy_s=2.0) == Edge(1.5, 2.0) == Edge(time_s=1.5, busy_s=2.0)
    assert repr(edge) == "Edge(time_s=1.5, busy_s=None)"


def test_a_named_tuple_wants_its_fields() -> None:
    for given in ((), (1.0, 2.0, 3.0)):
        with pytest.raises(TypeError, match="Edge takes time_s, busy_s"):
            Edge(*given)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Edge takes"):
        Edge(1.0, other=2.0)  # type: ignore[call-arg]


class Kind(StrEnum):
    """Two words."""

    COUNTER = "counter"
    MODELLED = "modelled"


def test_words_are_those_of_the_standard_library() -> None:
    assert [*Kind] == ["counter", "modelled"] == [word.value for word in Kind]
    assert Kind("counter") is Kind.COUNTER is Kind["COUNTER"] is copy.deepcopy(Kind.COUNTER)
    assert pickle.loads(pickle.dumps(Kind.MODELLED)) is Kind.MODELLED
    assert (str(Kind.COUNTER), f"{Kind.COUNTER}", Kind.COUNTER.name) == ("counter", "counter", "COUNTER")
    assert type(str(Kind.COUNTER)) is str
    assert {Kind.COUNTER: 1}["counter"] == 1
    assert "counter" in Kind
    assert "guess" not in Kind
    assert len(Kind) == 2
    assert repr(Kind.COUNTER) == "<Kind.COUNTER: 'counter'>"
    for wrong in ("guess", "COUNTER", 1, None):
        with pytest.raises(ValueError, match="is not a valid Kind"):
            Kind(wrong)
    with pytest.raises(AttributeError, match="COUNTER"):
        Kind.COUNTER = "other"  # type: ignore[misc, assignment]
