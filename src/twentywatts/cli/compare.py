"""``twentywatts compare``: one model on its own data, on many machines, at held accuracy."""

from __future__ import annotations

import argparse

from twentywatts.cli import streams
from twentywatts.cli.arguments import add_model_arguments, axes_of, max_drop_of, model_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
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
    parser.add_argument(
        "--no-fine-tune", action="store_true", help="with --train: spiking rows run the model's own weights only"
    )
    parser.add_argument("--on", metavar="A,B,…", help="machines or .toml files, comma separated (default: all bundled)")
    parser.add_argument("--max-drop", metavar="D", help="loss that counts as kept, such as 2%% (default 1%%)")
    parser.add_argument("--metric", default="accuracy", metavar="M", help="accuracy, top-K, f1 or mean-error")
    parser.add_argument(
        "--rate", type=float, metavar="HZ", help="inferences per second; idle energy between is charged"
    )
    parser.add_argument("--duty", type=float, default=1.0, metavar="D", help="share of time awake at that rate (1)")
    parser.add_argument("--event-rate", type=float, metavar="HZ", help="how often something happens in the world")
    parser.add_argument("--battery", metavar="ENERGY", help="of the device, such as 0.3Wh: gives days of battery")
    boundaries = ["chip", "device", "system", "facility"]
    parser.add_argument("--boundary", choices=boundaries, default="device", help="what is counted (default device)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the split, noise and draws (0)")
    parser.add_argument("--per-day", metavar="N", help="inferences a day: adds what they take in a year")
    parser.add_argument("--grid", metavar="COUNTRY", help="with --per-day: the carbon of its electricity, such as DE")
    parser.add_argument(
        "--measure", action="store_true", help="measure the rows of this processor, where it has counters"
    )
    parser.add_argument("--html", metavar="FILE", help="write one self-contained page")
    parser.add_argument("--json", metavar="FILE", help="write twentywatts.comparison/1, '-' for standard output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, print the table, write the reports; return the exit code. Raises TwentyWattsError for bad input."""
    from twentywatts.reports import check_reports, comparison_document, write_json, write_text

    given = [*model_files(args), args.data, args.train or args.data, *(args.on or "").split(",")]
    check_reports(args.json, args.html, keep=given)
    per_day = _per_day(args)
    document = comparison_document(_compare(args))
    if per_day is not None:
        from twentywatts.plan.daily import at_scale
        from twentywatts.reports.at_scale import with_scale

        document = with_scale(document, at_scale(document["rows"], per_day, args.grid))
    if args.json is not None:
        write_json(document, args.json)
    if args.html is not None:
        from twentywatts.reports.page import comparison_page

        write_text(comparison_page(document), args.html)
    if "-" not in (args.json, args.html):
        _print(document)
    return 0


def _per_day(args: argparse.Namespace) -> float | None:
    """Return inferences a day, None where none are given; a wrong number or country is told before the long work."""
    from twentywatts.cli.quantities import quantity
    from twentywatts.errors import InputError
    from twentywatts.plan.carbon import grid

    if args.grid is not None:
        grid(args.grid)
        if args.per_day is None:
            raise InputError("--grid tells the carbon of a year: it needs --per-day, such as --per-day 1e9")
    return quantity(args, "per_day")


def _compare(args: argparse.Namespace) -> Comparison:
    from twentywatts.readers.torch_module import model_file

    with model_file(args.model) as model:
        return _compared(args, model)


def _compared(args: argparse.Namespace, model: Path) -> Comparison:
    from dataclasses import replace
    from pathlib import Path

    from twentywatts.cli.circumstances import circumstances
    from twentywatts.cli.progress import Progress
    from twentywatts.comparison.job import Job, machine_names, run
    from twentywatts.comparison.metrics import metric_of
    from twentywatts.forms.library import silence
    from twentywatts.scenario import Boundary, Scenario

    metric = metric_of(args.metric)
    job = Job(
        model=model,
        data=Path(args.data),
        train=Path(args.train) if args.train else None,
        machines=machine_names(args.on),
        max_drop=max_drop_of(args.max_drop, metric.name, in_points=False),
        metric=metric,
        scenario=Scenario(
            batch=args.batch,
            rate_per_s=args.rate,
            duty_frac=args.duty,
            event_rate_per_s=args.event_rate,
            battery_j=None if args.battery is None else _joules(args.battery),
            boundary=Boundary(args.boundary),
            axes=axes_of(args),
            seed=args.seed,
        ),
        is_measured=args.measure,
        fine_tune=not args.no_fine_tune,
    )
    silence()
    progress = Progress()
    try:
        comparison = run(job, progress)
    finally:
        progress.close()
    return replace(comparison, run={**comparison.run, **circumstances()})


def _joules(text: str) -> float:
    """Return the energy of a battery; raises InputError for anything but a number with a unit of energy."""
    import re

    from twentywatts.errors import InputError
    from twentywatts.units import convert

    found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*([A-Za-z]{1,4})\s*", text)
    try:
        if found:
            return convert(float(found[1]), found[2], "J")
    except InputError:
        pass
    wanted = "an energy such as 0.3Wh, 800mWh or 2kJ (of milliampere-hours: mAh × volts = mWh)"
    raise InputError(f"--battery takes {wanted}, got '{text}'")


def _print(document: dict[str, Any]) -> None:
    from twentywatts.reports.table import comparison_view

    streams.console().print(comparison_view(document))
