"""``twentywatts compare``: one model on its own data, on many machines, at held accuracy."""

from __future__ import annotations

import argparse

from twentywatts.cli import streams
from twentywatts.cli.arguments import add_model_arguments, axes_of, model_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.comparison import Comparison

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "compare",
        help="what accuracy a model keeps and what one inference costs, on every machine",
        description="Run a model in the form that each machine executes, on your data, and price what it really did.",
    )
    add_model_arguments(parser)
    parser.add_argument("--data", required=True, metavar="FILE.npz", help="samples that the model serves: x and y")
    parser.add_argument("--train", metavar="FILE.npz", help="samples to tune on (else a seeded half of --data tunes)")
    parser.add_argument("--on", metavar="A,B,…", help="machines or .toml files, comma separated (default: all bundled)")
    parser.add_argument("--max-drop", type=float, default=0.01, metavar="D", help="loss that counts as kept (0.01)")
    parser.add_argument("--metric", default="accuracy", metavar="M", help="accuracy, top-K, f1 or mean-error")
    parser.add_argument(
        "--rate", type=float, metavar="HZ", help="inferences per second; idle energy between is charged"
    )
    boundaries = ["chip", "device", "system", "facility"]
    parser.add_argument("--boundary", choices=boundaries, default="device", help="what is counted (default device)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the split, noise and draws (0)")
    parser.add_argument(
        "--measure", action="store_true", help="measure the rows of this processor, where it has counters"
    )
    parser.add_argument("--html", metavar="FILE", help="write one self-contained page")
    parser.add_argument("--json", metavar="FILE", help="write twentywatts.comparison/1, '-' for standard output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, print the table, write the reports; return the exit code. Raises TwentyWattsError for bad input."""
    from twentywatts.errors import InputError
    from twentywatts.reports import check_writable, comparison_document, write_json, write_text

    given = [*model_files(args), args.data, args.train or args.data, *(args.on or "").split(",")]
    if args.json == args.html == "-":
        raise InputError("--json - and --html - would both write to standard output: name a file for one of them")
    if args.json is not None:
        check_writable(args.json, keep=given)
    if args.html is not None:
        check_writable(args.html, keep=[*given, args.json or args.data])
    document = comparison_document(_compare(args))
    if args.json is not None:
        write_json(document, args.json)
    if args.html is not None:
        from twentywatts.reports.page import comparison_page

        write_text(comparison_page(document), args.html)
    if "-" not in (args.json, args.html):
        _print(document)
    return 0


def _compare(args: argparse.Namespace) -> Comparison:
    from dataclasses import replace
    from pathlib import Path

    from twentywatts.cli.circumstances import circumstances
    from twentywatts.cli.progress import Progress
    from twentywatts.comparison.job import Job, machine_names, run
    from twentywatts.comparison.metrics import metric_of
    from twentywatts.scenario import Boundary, Scenario

    job = Job(
        model=Path(args.model),
        data=Path(args.data),
        train=Path(args.train) if args.train else None,
        machines=machine_names(args.on),
        max_drop=args.max_drop,
        metric=metric_of(args.metric),
        scenario=Scenario(
            batch=args.batch,
            rate_per_s=args.rate,
            boundary=Boundary(args.boundary),
            axes=axes_of(args),
            seed=args.seed,
        ),
        is_measured=args.measure,
    )
    progress = Progress()
    try:
        comparison = run(job, progress)
    finally:
        progress.close()
    return replace(comparison, run={**comparison.run, **circumstances()})


def _print(document: dict[str, Any]) -> None:
    from twentywatts.reports.table import comparison_view

    streams.console().print(comparison_view(document))
