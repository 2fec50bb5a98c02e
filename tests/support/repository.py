"""What the rule tests look at: the files of this repository."""

from __future__ import annotations

import ast
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "twentywatts"
_FOLDERS = ("src", "tests", "docs", "bench", "examples", ".ci")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file under version control; where git tells none (an archive, another's clone), all but what is built."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "ls-files", "-z"]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        if done.returncode == 0:
            return tuple(path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file())
    return tuple(sorted(_walk()))


def _walk() -> Iterator[Path]:
    for folder in _FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and not any("cache" in part for part in path.parts):
                yield path
    yield from (path for path in ROOT.iterdir() if path.is_file())


def python_files() -> list[Path]:
    """Every Python file."""
    return [path for path in tracked() if path.suffix == ".py"]


def name(path: Path) -> str:
    """The path as it stands in the repository."""
    return path.relative_to(ROOT).as_posix()


def offenders(paths: Iterable[Path], problems: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """Every path for which ``problems`` finds something, with what it finds; a test asserts that there is none."""
    found = {name(path): sorted(problems(path)) for path in paths}
    return {path: texts for path, texts in found.items() if texts}


@cache
def text_of(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(text_of(path))
