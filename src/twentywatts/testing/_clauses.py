"""A clause: one sentence of a contract, and whether it holds."""

from __future__ import annotations

__all__ = ["clause"]


def clause(holds: object, sentence: str) -> None:
    """Raise AssertionError with the sentence where it does not hold (unlike ``assert``, also under ``python -O``)."""
    if not holds:
        raise AssertionError(sentence)
