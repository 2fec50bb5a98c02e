"""twentywatts count: the work of a model, nothing run."""

from __future__ import annotations

import argparse
import sys
from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "count",
        help="count the operations and bytes of a model",
        description="Count multiply-accumulates, other operations, weights and activations of an ONNX model.",
    )
    parser.add_argument("model", help="an ONNX file")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="inferences served together (default 1)")
    parser.add_argument(
        "--axis",
        action="append",
        default=[],
        metavar="NAME=SIZE",
        help="size of an open axis of the model's inputs; may be given several times",
    )
    parser.add_argument("--json", metavar="FILE", help="write schema twentywatts.count/1 to FILE, '-' for the terminal")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the counts as a table, or as JSON; returns the exit code. Raises InputError for what cannot be used."""
    from twentywatts.counting import count

    counts = count(args.model, batch=args.batch, axes=_axes(args.axis))
    if args.json is None:
        print(counts)
        return 0
    import json

    text = json.dumps(counts.as_document(), indent=2, ensure_ascii=False) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
    else:
        _write(args.json, text)
    return 0


def _axes(pairs: list[str]) -> dict[str, int]:
    from twentywatts.errors import InputError

    axes = {}
    for pair in pairs:
        name, _, size = pair.rpartition("=")
        if not name or not size.isdecimal():
            raise InputError(f"--axis takes NAME=SIZE such as sequence=128, got '{pair}'")
        axes[name] = int(size)
    return axes


def _write(path: str, text: str) -> None:
    """Write a file whole or not at all."""
    import os
    import tempfile

    from twentywatts.errors import InputError

    folder = os.path.dirname(path) or "."
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, delete=False) as file:
            file.write(text)
        os.replace(file.name, path)
    except OSError as error:
        raise InputError(f"'{path}' cannot be written: {error.strerror}") from None
