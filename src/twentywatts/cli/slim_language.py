"""``twentywatts slim`` of a language model: settings ranked by joules a token, recipes for the tools that quantise."""

from __future__ import annotations

import argparse

from twentywatts.cli import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_language_arguments", "check_network", "is_language_model", "run_language"]

_OWN = ("prompt", "output", "requests", "step", "software")
_FOREIGN = ("train", "methods", "max_drop", "axis", "force")
_NETWORKS = (".onnx", ".pt2", ".pt", ".pth", ".nir")


def add_language_arguments(parser: Any) -> None:
    """Add what only a language model takes."""
    group = parser.add_argument_group(
        "language models",
        "MODEL is a folder or file with a config.json, a bundled name or a hub id; settings are ranked by predicted "
        "joules a token, nothing is run",
    )
    group.add_argument("--prompt", type=int, metavar="N", help="tokens of a prompt (500)")
    group.add_argument("--output", type=int, metavar="N", help="tokens of an answer (300)")
    group.add_argument("--requests", type=int, metavar="N", help="requests at a time at most (as the memory holds)")
    group.add_argument("--step", metavar="TIME", help="longest time between two tokens, such as 50ms")
    group.add_argument("--software", metavar="ERA", default="", help="era of the serving software (the newest)")


def is_language_model(args: argparse.Namespace) -> bool:
    """Tell a language model (a folder or file with a config.json, a bundled name, a hub id) from a network's file."""
    return not str(args.model).lower().endswith(_NETWORKS) and args.data is None


def check_network(args: argparse.Namespace) -> None:
    """Raise InputError where an option of language models is given for a network: none is passed over."""
    _check(args, _OWN, "is for language models; MODEL is a network's file, or --data is given")


def _check(args: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    from twentywatts.errors import InputError

    for name in names:
        if getattr(args, name):
            raise InputError(f"--{name.replace('_', '-')} {why}")


def run_language(args: argparse.Namespace) -> int:
    """Rank, print, write recipes and the document; return the exit code. Raises TwentyWattsError for bad input."""
    from twentywatts.cli.circumstances import circumstances
    from twentywatts.reports.output import check_reports, write_json, write_text
    from twentywatts.reports.slim_language import language_view
    from twentywatts.reports.slim_language_document import language_document
    from twentywatts.slimming.files import folder_of
    from twentywatts.slimming.language.quantizers import recipes, write_recipes

    _check(args, _FOREIGN, "is for networks, which are run; a language model's settings are ranked")
    check_reports(args.json, args.html, keep=[args.model, *args.on.split(",")])
    folder = folder_of(args.out)
    advice = _advice(args)
    place = _weights(args.model)
    document = language_document(advice, model=place, run=circumstances())
    if folder is not None:
        found, _ = recipes(advice.architecture, place)
        for path in write_recipes(found, folder):
            streams.say(f"written: {path}")
    if args.json is not None:
        write_json(document, args.json)
    if args.html is not None:
        from twentywatts.reports.slim_language_page import language_page

        write_text(language_page(document), args.html)
    if "-" not in (args.json, args.html):
        streams.console().print(language_view(document))
    return 0


def _advice(args: argparse.Namespace) -> Any:
    from twentywatts.cli.quantities import quantity
    from twentywatts.errors import InputError
    from twentywatts.slimming.language.ranking import Load, recommend

    if args.on == "this-cpu":
        raise InputError("a language model wants --on with the machines that serve it, such as --on h100-sxm,b200")
    load = Load(
        prompt_tokens=500 if args.prompt is None else args.prompt,
        output_tokens=300 if args.output is None else args.output,
        most_batch=args.requests,
        step_s=quantity(args, "step", "s"),
    )
    return recommend(args.model, on=args.on, load=load, software=args.software, seed=args.seed)


def _weights(model: str) -> str:
    """Return where a model's weights are, as the tools take it: a folder, or a hub id; empty for a bundled name."""
    from pathlib import Path

    path = Path(model)
    if path.is_dir():
        return str(path)
    if path.is_file():
        return str(path.parent)
    return model if model.count("/") == 1 else ""
