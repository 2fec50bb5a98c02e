"""onnxruntime as a library: loaded in one place, and told to report to nobody."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

from twentywatts.errors import MissingExtraError

__all__ = ["FATAL", "onnxruntime", "silence", "unlogged"]

_SILENCE = "ORT_DISABLE_TELEMETRY"
FATAL, _WARNING = 4, 2  # severities of its log; it starts with warnings


def onnxruntime(part: str = "") -> Any:
    """Return onnxruntime, or the module ``part`` of it; raises MissingExtraError where something is not installed.

    From release 1.29 on its builds send names and digests of models to their maker, and leave files with an identifier,
    unless the environment says otherwise when the library is loaded: its Privacy.md. Whoever wants that sets the
    variable to 0.
    """
    os.environ.setdefault(_SILENCE, "1")
    try:
        with _uninterrupted():
            return import_module(f"onnxruntime.{part}" if part else "onnxruntime")
    except ImportError as error:  # parts of it have needs of their own
        raise MissingExtraError(error.name or "onnxruntime", "lab") from None


@cache
def silence() -> None:
    """Let it log nothing more in this program: for the command alone, to which the program and the terminal belong."""
    onnxruntime().set_default_logger_severity(FATAL)


@contextmanager
def unlogged() -> Iterator[None]:
    """Let it log nothing inside the block."""
    onnxruntime().set_default_logger_severity(FATAL)
    try:
        yield
    finally:
        if not silence.cache_info().currsize:
            onnxruntime().set_default_logger_severity(_WARNING)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait for the block: a library written in C takes it for a failure of its own."""
    is_told = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not (is_told and callable(before)):
        yield
        return
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if heard:
            before(heard[0], None)
