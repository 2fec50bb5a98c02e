"""Whatever a public function is given: a result, or a sentence that names the parameter; no error from within."""

from __future__ import annotations

import inspect
import math
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.repository import ROOT

import twentywatts as tw
from twentywatts.errors import InputError, counted
from twentywatts.kinds import NO, kinds_of
from twentywatts.public import checked

MODEL = ROOT / "examples" / "digits.onnx"
FUNCTIONS = {name: getattr(tw, name) for name in tw._PUBLIC if inspect.isfunction(getattr(tw, name))}
FUNCTIONS |= {f"plan.{name}": getattr(tw.plan, name) for name in tw.plan.__all__ if name.islower()}
TAKES_ANYTHING = {("count", "example")}
# what a call needs besides the one argument that is odd
USUAL: dict[str, dict[str, Any]] = {
    "audit": {"text": "20 watts"},
    "count": {"model": MODEL},
    "estimate": {"model": "llama-3.1-8b", "on": "h100-sxm", "batch": 1},
    "machine": {"name": "loihi"},
    "mark": {},
    "review": {"path": ROOT / "examples" / "paper_table.csv"},
    "plan.equivalents": {"energy_j": 1e12},
    "plan.scaling": {"budget_j": 1e15, "on": "h100-sxm"},
    "plan.training": {"params": 7e9, "tokens": 1e12, "on": "h100-sxm"},
}
ODD = (-1, 0, math.nan, math.inf, 10**40, 1e-300, "", "a\0b", "ä" * 9000, [], [""], {}, {"x": 1}, Path("nothing"))


def parameters(function: Callable[..., Any]) -> Iterator[str]:
    """Yield the names that may be given, the options of a table among them."""
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            table = function.__wrapped__.__globals__[parameter.annotation[len("Unpack[") : -1]]  # type: ignore[attr-defined]
            yield from table.__annotations__
        else:
            yield name


EVERY = [(name, parameter) for name, function in FUNCTIONS.items() for parameter in parameters(function)]


@pytest.mark.parametrize(("name", "parameter"), EVERY)
def test_an_object_of_the_wrong_kind_is_told(name: str, parameter: str) -> None:
    function = FUNCTIONS[name]
    if (name, parameter) in TAKES_ANYTHING:
        return
    for wrong in (object(), 1j, b"bytes"):
        with pytest.raises(InputError) as error:
            function(wrong) if name == "measured" and parameter == "function" else function(**{parameter: wrong})
        assert str(error.value).startswith(f"{name}(): {parameter} must be "), error.value
        assert str(error.value).endswith(("got an object of type object", "got 1j", "got b'bytes'"))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_mistyped_keyword_names_the_function_and_the_right_one(name: str) -> None:
    for parameter in parameters(FUNCTIONS[name]):
        if len(parameter) > 3:
            with pytest.raises(TypeError) as error:
                FUNCTIONS[name](**{f"{parameter[:-1]}q": 1})
            assert str(error.value).startswith(f"{name}() has no argument '{parameter[:-1]}q' (did you mean '")
    with pytest.raises(TypeError, match=rf"{name}\(\) has no argument 'zzzz'; it takes "):
        FUNCTIONS[name](zzzz=1)


@pytest.mark.parametrize("name", USUAL)
def test_an_odd_value_is_a_result_or_a_sentence(name: str) -> None:
    for parameter in parameters(FUNCTIONS[name]):
        for value in ODD:
            try:
                FUNCTIONS[name](**{**USUAL[name], parameter: value})
            except tw.TwentyWattsError:
                continue  # any other error fails this test


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: tw.compare(MODEL, ([[0]], [0]), metric=None), "metric must be a text or a function, got None"),
        (lambda: tw.compare(MODEL, ([[0]], [0]), max_drop="1%"), "max_drop must be a number, got '1%'"),
        (lambda: tw.compare(MODEL, ([[0]], [0]), on=3), "on must be a text, a list of texts or None, got 3"),
        (lambda: tw.compare(MODEL, 3), "data must be the path of an .npz file, a pair (x, y) or a table of arrays"),
        (lambda: tw.compare(MODEL, [[1], [2], [3]]), "got a list of 3"),
        (lambda: tw.slim(MODEL, "x.npz", out=3), "out must be a text, a path or None, got 3"),
        (lambda: tw.slim(MODEL, "x.npz", force="no"), "force must be True or False, got 'no'"),
        (lambda: tw.count(None), "model must be a text, a path, a Network or a live torch module, got None"),
        (lambda: tw.count(MODEL, axes={"n": "x"}), "axes must be a table of whole numbers by name, got an object"),
        (lambda: tw.estimate("gpt2", on=[tw.machine("loihi")]), "list that holds an object of type Machine"),
        (lambda: tw.audit("x" * 99, name=b"x" * 99), "got b'xxxx"),
        (lambda: tw.plan.training(7e9, 1e12, 3), "plan.training(): on must be a text or a Machine, got 3"),
    ],
)
def test_the_sentence_names_what_was_given_and_what_is_wanted(call: Callable[[], Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert told in str(error.value)
    assert len(str(error.value)) < 250


def test_a_call_that_python_would_refuse_names_the_public_function() -> None:
    with pytest.raises(TypeError, match=r"^compare\(\) needs the argument 'data'$"):
        tw.compare(MODEL)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^machine\(\) takes 1 argument by position, got 2$"):
        tw.machine("loihi", "odin")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="multiple values for argument 'text'"):
        tw.audit("a", text="b")  # type: ignore[misc]


def test_numbers_of_numpy_and_paths_are_as_good() -> None:
    assert tw.count(str(MODEL), batch=np.int64(2)).batch == 2
    assert str(tw.machine(ROOT / "src/twentywatts/machines/data/neuromorphic/loihi.toml").name) == "loihi"
    plain = tw.plan.equivalents(1e12)
    assert tw.plan.equivalents(np.float64(1e12)).title == plain.title


@pytest.mark.parametrize("call", [lambda x: tw.compare(MODEL, x), lambda x: tw.estimate(f"{x}.json", on="h100")])
def test_a_name_that_no_file_can_bear_is_told(call: Callable[[str], Any]) -> None:
    with pytest.raises(InputError, match=r"\(\): 'xxx.*…' cannot be the name of a file: "):
        call("x" * 9000)


def test_a_public_function_is_found_again_by_pickle() -> None:
    for name in ("compare", "machine"):
        assert pickle.loads(pickle.dumps(getattr(tw, name))) is getattr(tw, name)
    assert pickle.loads(pickle.dumps(tw.plan.training)) is tw.plan.training
    assert "joules" in (tw.compare.__doc__ or "")


def test_one_thing_has_no_s() -> None:
    assert [counted(count, "layer") for count in (0, 1, 1024)] == ["0 layers", "1 layer", "1,024 layers"]
    assert counted(2, "battery", "batteries") == "2 batteries"


def test_an_annotation_that_nobody_can_check_is_told() -> None:
    def odd(value: frozenset[str]) -> None: ...

    with pytest.raises(LookupError, match=r"frozenset\[str\]"):
        checked("odd", odd)


def test_alternatives_are_parted_outside_brackets() -> None:
    found = kinds_of("str | Callable[[int | str], float | None] | None")
    assert [part for part, _, _ in found] == ["str", "Callable[[int | str], float | None]", "None"]


def test_a_list_is_no_text_and_a_truth_no_number() -> None:
    takes = {text: kinds_of(text)[0][1] for text in ("int", "float", "Sequence[str]", "dict[str, int]")}
    assert takes["int"](True) is NO
    assert takes["float"](False) is NO
    assert takes["int"](2.0) is NO
    assert takes["int"](np.uint8(2)) == 2
    assert type(takes["float"](np.float32(0.5))) is float
    assert takes["Sequence[str]"]("ab") is NO
    assert takes["Sequence[str]"](iter(["a", Path("b")])) == ("a", "b")
    assert takes["dict[str, int]"]({1: 2}) is NO
    assert takes["dict[str, int]"]({"a": np.int8(1)}) == {"a": 1}
