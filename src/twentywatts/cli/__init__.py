"""The command ``twentywatts``: one file per verb; parse, call, print."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from twentywatts import __version__
from twentywatts.cli import streams
from twentywatts.errors import InputError, TwentyWattsError, clean, is_impossible_name, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["command", "main"]

_VERBS = (
    "compare",
    "slim",
    "estimate",
    "measure",
    "doctor",
    "watch",
    "export",
    "count",
    "machines",
    "models",
    "plan",
    "audit",
    "review",
    "cite",
)
_BAD_INPUT = 2
_INTERRUPTED = 130
_UNWRITABLE = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT)


class _Formatter(argparse.HelpFormatter):
    """Asks for the terminal's width without the module shutil, whose import would cost more than the parsing."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"width": streams.width() - 2, **options})


class _Parser(argparse.ArgumentParser):
    """Tells a wrong argument as any other bad input: one line, exit code 2."""

    def __init__(self, **options: Any) -> None:
        self.options: list[str] = []
        self.inner: Any = None
        super().__init__(**{"formatter_class": _Formatter, **options})

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        self.options += names
        return super().add_argument(*names, **options)

    def add_subparsers(self, **options: Any) -> Any:
        self.inner = super().add_subparsers(**options)
        return self.inner

    def refuse(self, unknown: str, words: Sequence[str]) -> NoReturn:
        """Tell an argument that nobody takes, by the verb that was asked for, with the nearest that there is."""
        verb = next((word for word in words if self.inner is not None and word in self.inner.choices), None)
        if verb is not None:
            self.inner.choices[verb].refuse(unknown, words)
        hint = nearest(unknown.partition("=")[0], self.options) if unknown.startswith("-") else ""
        self.error(f"unrecognized argument '{clean(unknown)[:100]}'{hint}")

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}{_meant(message)} (`{self.prog} --help` tells what there is)")


def _meant(message: str) -> str:
    """Return the nearest of the words that a message says may be chosen."""
    import re

    found = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
    return nearest(found[1], re.findall(r"[\w-]+", found[2])) if found else ""


def _check_filled(words: Sequence[str]) -> None:
    """Raise InputError for an argument without a letter: nobody means that, and no option is passed over for it."""
    for before, word in zip(("", *words), words, strict=False):
        option, _, value = word.partition("=") if word.startswith("--") else (before, "", word)
        if not value and (word == "" or word.endswith("=")):
            named = option if option.startswith("-") else "an argument"
            raise InputError(f"{clean(named)[:100]} is empty: is a variable of the shell not set?")


def _parser(argv: Sequence[str]) -> _Parser:
    """Return the parser of all verbs, or of the one that is asked for: no verb pays for the others."""
    parser = _Parser(
        prog="twentywatts",
        description="The energy laboratory for AI models: joules per inference on any kind of chip, at held accuracy.",
    )
    parser.add_argument("--version", action="version", version=f"twentywatts {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True, prog=parser.prog)
    for verb in argv[:1] if argv[:1] and argv[0] in _VERBS else _VERBS:
        import_module(f"twentywatts.cli.{verb}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 2 for bad input (one line on standard error), 130 for Ctrl-C."""
    streams.prepare()
    try:
        given = sys.argv[1:] if argv is None else list(argv)
        parser = _parser(given)
        args, unknown = parser.parse_known_args(given)
        if unknown:
            parser.refuse(unknown[0], given)
        _check_filled(given[: len(given) - len(getattr(args, "command", None) or ())])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what libraries think of odd numbers; what matters stands in the report
            code = int(args.run(args))
        streams.flush()
        return code
    except TwentyWattsError as error:
        streams.say(error)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("twentywatts"):
            raise
        streams.say(f"this needs {error.name}: pip install 'twentywatts[lab]'")
    except MemoryError:
        streams.say("this asks for more memory than there is: a smaller --batch or fewer samples need less")
    except KeyboardInterrupt:
        streams.say("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        streams.discard_output()  # the reader of a pipe left: leave quietly
        return 0
    except OSError as error:
        if is_impossible_name(error):
            streams.say(f"'{clean(error.filename)[:60]}…' cannot be the name of a file: {error.strerror}")
            return _BAD_INPUT
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        streams.discard_output()
        streams.say(f"cannot write to standard output: {error.strerror}")
    return _BAD_INPUT


def command() -> None:
    """Run the command and leave; after Ctrl-C without waiting for a thread that still computes."""
    code = main()
    if code == _INTERRUPTED:
        with suppress(OSError):
            streams.flush()
        os._exit(code)
    sys.exit(code)
