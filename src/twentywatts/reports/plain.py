"""Plain values: what every JSON document of twentywatts is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping

from twentywatts.errors import TwentyWattsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["plain", "plain_document"]

_DIGITS = 6


def plain_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a whole document as JSON values: floats rounded to six significant digits."""
    return {str(key): plain(item, where=f"document.{key}") for key, item in document.items()}


def plain(value: Any, *, where: str = "document") -> Any:
    """Return ``value`` as JSON values: floats rounded to six significant digits, anything else as its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item, where=f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, where=f"{where}[{index}]") for index, item in enumerate(value)]
    return _scalar(value, where)


def _scalar(value: Any, where: str) -> bool | int | float | str | None:
    if callable(getattr(value, "item", None)):  # a NumPy number
        value = value.item()
    if isinstance(value, float):
        return _rounded(value, where)
    return value if value is None or isinstance(value, bool | int) else str(value)


def _rounded(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise TwentyWattsError(f"{where} is {value}, not a finite number; please report this with the command")
    return float(f"{value:.{_DIGITS}g}")
