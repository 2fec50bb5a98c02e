"""The command ``twentywatts``: one file per verb; parse, call, print."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from twentywatts import __version__
from twentywatts.errors import TwentyWattsError, clean

__all__ = ["main"]

_VERBS = ("compare", "measure", "doctor", "watch", "export", "count", "machines", "cite")
_BAD_INPUT = 2
_INTERRUPTED = 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="twentywatts",
        description="The energy laboratory for AI models: joules per inference on any kind of chip, at held accuracy.",
    )
    parser.add_argument("--version", action="version", version=f"twentywatts {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in _VERBS:
        import_module(f"twentywatts.cli.{verb}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 2 for bad input (one line on standard error), 130 for Ctrl-C."""
    args = _parser().parse_args(argv)
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except TwentyWattsError as error:
        print(f"twentywatts: {clean(error)}", file=sys.stderr)
        return _BAD_INPUT
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("twentywatts"):
            raise
        line = f"twentywatts: this needs {error.name}: pip install 'twentywatts[lab]'"
        print(line, file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("twentywatts: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # the reader of a pipe left; leave quietly, and keep the interpreter from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
