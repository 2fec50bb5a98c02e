"""The command in this process, as a shell would see it: an exit code and two texts, without the second of a start."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from twentywatts.cli import main

__all__ = ["Finished", "command", "program"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def command(*words: object, cwd: Path | None = None) -> Finished:
    """Run ``twentywatts`` with these words in folder ``cwd``."""
    with _texts() as (output, errors), contextlib.chdir(cwd or Path.cwd()):
        try:
            code = main([str(word) for word in words])
        except SystemExit as leaving:  # --help and --version
            code = leaving.code if isinstance(leaving.code, int) else 0
    return Finished(returncode=code, stdout=_text(output), stderr=_text(errors))


def program(code: str | Path, *words: object, cwd: Path) -> str:
    """Return what a Python program prints that is run in folder ``cwd``: a file, or its text."""
    given = [str(code), *map(str, words)]
    with (
        _texts() as (output, _),
        contextlib.chdir(cwd),
        warnings.catch_warnings(),
        mock.patch.object(sys, "argv", given),
    ):
        warnings.simplefilter("ignore")
        if isinstance(code, Path):
            runpy.run_path(str(code), run_name="__main__")
        else:
            exec(compile(code, "<program>", "exec"), {"__name__": "__main__"})  # our own documentation
    return _text(output)


@contextlib.contextmanager
def _texts() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """Put streams of bytes in place of the standard ones."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in "ab")
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        yield output, errors


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8")
