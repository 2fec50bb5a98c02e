"""Arguments that several verbs share."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["add_model_arguments", "axes_of", "model_files"]


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
