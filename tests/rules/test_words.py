"""Words: nothing unfinished, nothing of the place where it was written, and every page that a module names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support.repository import PACKAGE, ROOT, name, offenders, python_files, text_of, tracked, tree_of

# written in two halves, so that this file does not hold what it forbids
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "raise Not" + "ImplementedError")
PLACES = ("/wo" + "rk/", "../sha" + "red", "/tmp/" + "bash_jobs", "/ro" + "ot/", "/ho" + "me/", "/me" + "mory/")
AUTHORS = (
    "chat" + "gpt",
    "cla" + "ude",
    "lang" + "uage model wrote",
    "help" + "er agent",
    "sub" + "agent",
    "as an a" + "i ",
)
SUBJECT = "audit"  # texts that are audited name the services that they are about: data, tests and pages of that name
BINARY = {".onnx", ".npz", ".png", ".woff2", ".gz"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def _texts() -> list[Path]:
    return [path for path in tracked() if path.suffix not in BINARY]


def test_nothing_is_unfinished() -> None:
    pattern = re.compile(rf"\b({'|'.join(UNFINISHED)})\b")
    assert not offenders(_texts(), lambda path: set(pattern.findall(text_of(path))))


def test_the_place_where_it_was_written_does_not_show() -> None:
    assert not offenders(_texts(), lambda path: [word for word in PLACES if word in text_of(path)])
    texts = [path for path in _texts() if SUBJECT not in path.name]
    assert not offenders(texts, lambda path: [word for word in AUTHORS if word in text_of(path).lower()])


def test_every_page_and_script_that_a_module_names_is_there() -> None:
    pattern = re.compile(r"\b((?:docs|bench|data|examples)/[\w/.-]+\.(?:md|py|toml|csv))\b")
    places = (ROOT, PACKAGE, PACKAGE / "machines")

    def lost(path: Path) -> list[str]:
        return [found for found in pattern.findall(text_of(path)) if not any((p / found).is_file() for p in places)]

    assert not offenders(MODULES, lost)


def test_prints_and_exits_stand_in_the_command_alone() -> None:
    def loud(path: Path) -> set[str]:
        calls = (node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))
        return {ast.unparse(call) for call in calls} & {"print", "exit", "quit", "sys.exit", "os._exit"}

    command = {PACKAGE / "__main__.py", *(PACKAGE / "cli").glob("*.py")}
    assert not offenders(set(MODULES) - command, loud)


def test_every_module_says_what_it_is_and_offers_what_it_says() -> None:
    assert not [name(path) for path in MODULES if not ast.get_docstring(tree_of(path))]
    rooms = {path for path in MODULES if path.name == "__init__.py"}
    assert not offenders(set(MODULES) - rooms, lambda path: _offered(path) - _defined(tree_of(path)))


def _offered(path: Path) -> set[str]:
    """The names in ``__all__``."""
    assigned = (node for node in tree_of(path).body if isinstance(node, ast.Assign))
    lists = [ast.literal_eval(node.value) for node in assigned if ast.unparse(node.targets[0]) == "__all__"]
    return {word for words in lists for word in words}


def _defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def test_python_files_are_found() -> None:
    assert len(python_files()) > 50
