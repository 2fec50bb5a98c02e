"""``twentywatts slim``: the same accuracy for a fraction of the joules, proved."""

from __future__ import annotations

import argparse
import re

from twentywatts.cli import streams
from twentywatts.cli.arguments import add_model_arguments, axes_of, max_drop_of, model_files
from twentywatts.cli.slim_language import (
    add_language_arguments,
    check_network,
    is_language_model,
    run_language,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from twentywatts.slimming.job import Job
    from twentywatts.slimming.result import Slimmed

__all__ = ["add_parser", "run"]

_INTERRUPTED = 130


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "slim",
        help="the same accuracy for a fraction of the joules, proved on samples that no search has seen",
        description="Prune, distil and quantise a model; what ships is proved to keep its accuracy.",
    )
    parser._negative_number_matcher = re.compile(r"-\.?\d")  # -5s is a value, and a wrong one, not an unknown option
    add_model_arguments(parser)
    parser.add_argument("--data", metavar="FILE.npz", help="samples that the model serves: x and y")
    parser.add_argument("--train", metavar="FILE.npz", help="samples to train on (else nothing is trained)")
    parser.add_argument(
        "--on", metavar="A,B,…", default="this-cpu", help="machines: this-cpu is measured, others priced"
    )
    parser.add_argument("--max-drop", metavar="D", help="loss that counts as kept, in points: 1 or 1%% (1%%)")
    parser.add_argument("--metric", default="accuracy", metavar="M", help="accuracy, top-K, f1 or mean-error")
    parser.add_argument(
        "--methods",
        metavar="A,B,…",
        help="some of fold, int8, prune, depth, distil, qat, lowrank, int4, zeros (default: all but zeros)",
    )
    parser.add_argument(
        "--budget", default="2m", metavar="TIME", help="time to take, such as 90s or 2m; 0 trains nothing"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="where to write what ships; a search cut short goes on from there"
    )
    parser.add_argument("--force", action="store_true", help="begin again in a folder that holds another search")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the split and of all training (0)")
    parser.add_argument("--html", metavar="FILE", help="write one self-contained page")
    parser.add_argument("--json", metavar="FILE", help="write twentywatts.slim/1, '-' for standard output")
    add_language_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Slim, print the table, write the reports; return the exit code. Raises TwentyWattsError for bad input."""
    from twentywatts.errors import InputError
    from twentywatts.reports.output import check_reports, write_json, write_text
    from twentywatts.reports.slim_document import slim_document

    if is_language_model(args):
        return run_language(args)
    if args.data is None:
        raise InputError("slim proves what it does: it needs --data, samples that the model serves (x and y)")
    check_network(args)
    given = [*model_files(args), args.data, args.train or args.data, *args.on.split(",")]
    check_reports(args.json, args.html, keep=given)
    result = _slimmed(args)
    document = slim_document(result)
    if args.json is not None:
        write_json(document, args.json)
    if args.html is not None:
        from twentywatts.reports.slim_page import slim_page

        write_text(slim_page(document), args.html)
    if "-" not in (args.json, args.html):
        from twentywatts.reports.slim import slim_view

        streams.console().print(slim_view(document))
    return _INTERRUPTED if result.is_interrupted else 0


def _slimmed(args: argparse.Namespace) -> Slimmed:
    from dataclasses import replace

    from twentywatts.cli.circumstances import circumstances
    from twentywatts.cli.progress import Progress
    from twentywatts.forms.library import silence
    from twentywatts.readers.torch_module import model_file
    from twentywatts.slimming.job import run as run_job

    with model_file(args.model) as model:
        job = _job(args, model)
        silence()
        progress = Progress()
        try:
            result = run_job(job, progress, stopping=_stopping)
        finally:
            progress.close()
    return replace(result, run={**result.run, **circumstances()})


def _stopping() -> None:
    streams.say("stopping: what was found is proved and measured briefly; Ctrl-C again ends at once")


def _job(args: argparse.Namespace, model: Path) -> Job:
    from pathlib import Path

    from twentywatts.comparison.job import machine_names
    from twentywatts.comparison.metrics import metric_of
    from twentywatts.scenario import Scenario
    from twentywatts.slimming.files import folder_of
    from twentywatts.slimming.job import Job, method_names

    metric = metric_of(args.metric)
    return Job(
        model=model,
        data=Path(args.data),
        train=Path(args.train) if args.train else None,
        machines=machine_names(args.on),
        max_drop=max_drop_of(args.max_drop, metric.name, in_points=True),
        metric=metric,
        methods=method_names(args.methods),
        budget_s=_seconds(args.budget),
        out=folder_of(args.out),
        force=args.force,
        scenario=Scenario(batch=args.batch, axes=axes_of(args), seed=args.seed),
    )


def _seconds(text: str) -> float:
    """Return a time in seconds: ``90s``, ``2m`` (minutes), ``1.5h``, a bare 0; raises InputError for anything else."""
    from twentywatts.errors import InputError

    found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(s|m|min|h)?\s*", text)
    if found is None or (found[2] is None and float(found[1]) != 0):
        raise InputError(f"--budget takes a time such as 90s, 2m or 1h, or 0, got '{text}'")
    return float(found[1]) * {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, None: 1.0}[found[2]]
