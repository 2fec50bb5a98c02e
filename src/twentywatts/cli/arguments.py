"""Arguments that several verbs share."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

_DROP = 0.01
_UNSURE = 0.1  # a bare number below that was meant as a share; from there on it may well have been meant as points

__all__ = ["add_model_arguments", "axes_of", "max_drop_of", "model_files"]


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, its batch and its open axes."""
    parser.add_argument("model", help="an ONNX file, or a .pt2 of torch.export.save")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="inferences served together (default 1)")
    parser.add_argument(
        "--axis",
        action="append",
        default=[],
        metavar="NAME=SIZE",
        help="size of an open axis of the model's inputs; may be given several times",
    )


def axes_of(args: argparse.Namespace) -> dict[str, int]:
    """Return the axes by name; raises InputError for anything but NAME=SIZE."""
    from twentywatts.errors import InputError

    axes = {}
    for pair in args.axis:
        name, _, size = pair.rpartition("=")
        if not name or not (size.isascii() and size.isdecimal()) or len(size) > 12:
            raise InputError(f"--axis takes NAME=SIZE such as sequence=128, got '{pair}'")
        axes[name] = int(size)
    return axes


def model_files(args: argparse.Namespace) -> list[Path]:
    """Return the model's file and those that hold its weights: no report may be written over any of them."""
    from pathlib import Path

    from twentywatts.readers.files import external_files

    return [Path(args.model), *external_files(Path(args.model))]


def max_drop_of(text: str | None, metric: str, *, in_points: bool) -> float:
    """Return the largest drop: of a metric that is a share, as a share (0.01, which is one point, if None).

    ``1%`` and ``1pt`` mean one point everywhere; a bare number is points if ``in_points``, else a share. Raises
    InputError for what is no number, and where a bare number was probably meant as the other of the two.
    """
    from twentywatts.comparison.text import is_share
    from twentywatts.errors import InputError

    if text is None:
        return _DROP
    bare = text.strip().removesuffix("%").removesuffix("pt").strip()
    try:
        value = float(bare)
    except ValueError:
        raise InputError(f"--max-drop takes a number such as 1% (one point), got '{text}'") from None
    has_unit = bare != text.strip()
    if not is_share(metric):
        if has_unit:
            raise InputError(f"--max-drop of the metric {metric} is a number in its own unit, got '{text}'")
        return value
    if not has_unit and (0 < value < _UNSURE if in_points else value >= _UNSURE):
        points = value if in_points else 100 * value
        raise InputError(f"--max-drop {text} would be {points:g} points here: write {100 * value:g}% or {value:g}%")
    return value / 100 if has_unit or in_points else value
