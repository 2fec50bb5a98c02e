"""Sizes: a file does one thing, a function holds one idea."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.repository import name, offenders, python_files, text_of, tree_of

FILE_LINES = 400
FUNCTION_LINES = 50
PARAMETERS = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _length(function: Function) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function, clean=False) is not None
    doc = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - doc


def _parameters(function: Function) -> int:
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len([argument for argument in every if argument.arg not in ("self", "cls")])


def test_a_file_does_one_thing() -> None:
    lines = {name(path): len(text_of(path).splitlines()) for path in python_files()}
    assert not {path: count for path, count in lines.items() if count > FILE_LINES}


def test_a_function_holds_one_idea() -> None:
    def long(path: Path) -> list[str]:
        return [f"{f.name}: {_length(f)} lines" for f in _functions(path) if _length(f) > FUNCTION_LINES]

    assert not offenders(python_files(), long)


def test_a_function_takes_few_things() -> None:
    def greedy(path: Path) -> list[str]:
        return [f"{f.name}: {_parameters(f)} parameters" for f in _functions(path) if _parameters(f) > PARAMETERS]

    assert not offenders((path for path in python_files() if not name(path).startswith("tests/")), greedy)


def test_the_ruler_measures() -> None:
    source = 'def f(self, a, /, b, *, c):\n    """One.\n\n    Two.\n    """\n    x = 1\n    return x\n'
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert (_length(function), _parameters(function)) == (3, 3)
