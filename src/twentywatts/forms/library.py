"""onnxruntime as a library: loaded in one place, and told to report to nobody."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from twentywatts.errors import MissingExtraError

__all__ = ["onnxruntime"]

_SILENCE = "ORT_DISABLE_TELEMETRY"


def onnxruntime(part: str = "") -> Any:
    """Return onnxruntime, or the module ``part`` of it; raises MissingExtraError where something is not installed.

    From release 1.29 on its builds send names and digests of models to their maker, and leave files with an identifier,
    unless the environment says otherwise when the library is loaded: its Privacy.md. Whoever wants that sets the
    variable to 0.
    """
    os.environ.setdefault(_SILENCE, "1")
    try:
        return import_module(f"onnxruntime.{part}" if part else "onnxruntime")
    except ImportError as error:  # parts of it have needs of their own
        raise MissingExtraError(error.name or "onnxruntime", "lab") from None
