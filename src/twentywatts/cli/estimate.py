"""``twentywatts estimate``: joules of a language, image or video model on chips that you do not have."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.estimation import Estimation

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "estimate",
        help="joules of a reply, an image or a video, on chips that you do not have",
        description="What one reply of a language model costs, from a lone user to a full server; nothing is run.",
    )
    parser.add_argument(
        "model", help="a name (`twentywatts models`), a folder or config.json, a hub id, or an ONNX file"
    )
    parser.add_argument("--on", required=True, metavar="A,B,…", help="machines; h100-sxmx4 takes four together")
    parser.add_argument("--batch", metavar="N|LOW..HIGH", help="requests together (default: one to a full server)")
    parser.add_argument("--prompt", type=int, metavar="N", help="tokens of the prompt (500)")
    parser.add_argument("--output", type=int, metavar="N", help="tokens of the answer (300)")
    parser.add_argument("--precision", metavar="P", help="of the weights, such as bf16, fp8, int4 (as published)")
    parser.add_argument("--cache", metavar="P", help="of keys and values, such as fp8 (16 bits)")
    parser.add_argument("--cached", type=float, metavar="SHARE", help="of the prompt, kept from requests before")
    parser.add_argument("--draft", metavar="MODEL", help="a small model that writes ahead (speculative decoding)")
    parser.add_argument("--draft-tokens", type=int, metavar="N", help="tokens that it writes ahead")
    parser.add_argument("--accepted", type=float, metavar="SHARE", help="of these tokens, as the large model accepts")
    parser.add_argument("--software", metavar="ERA", help="era of the serving software (the newest)")
    parser.add_argument("--images", type=int, metavar="N", help="made together; of a model that sees: in one request")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of a diffusion model (as published)")
    boundaries = ["chip", "device", "system", "facility"]
    parser.add_argument("--boundary", choices=boundaries, default="device", help="what is counted (default device)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the draws (0)")
    parser.add_argument("--html", metavar="FILE", help="write one self-contained page")
    parser.add_argument("--json", metavar="FILE", help="write twentywatts.estimate/1, '-' for standard output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Estimate, print, write the reports; return the exit code. Raises TwentyWattsError for bad input."""
    from twentywatts.cli.circumstances import circumstances
    from twentywatts.reports.estimate_document import estimation_document
    from twentywatts.reports.output import check_reports, write_json, write_text

    given = [args.model, *args.on.split(",")]
    check_reports(args.json, args.html, keep=given)
    document = {**estimation_document(_estimate(args)), "run": circumstances()}
    if args.json is not None:
        write_json(document, args.json)
    if args.html is not None:
        from twentywatts.reports.estimate_page import estimation_page

        write_text(estimation_page(document), args.html)
    if "-" not in (args.json, args.html):
        _print(document)
    return 0


def _estimate(args: argparse.Namespace) -> Estimation:
    from twentywatts.estimation import estimate

    names = {"prompt": "prompt_tokens", "output": "output_tokens", "cache": "cache_precision"}
    names |= {"cached": "cached_frac", "accepted": "accepted_frac"}
    wanted = (
        "prompt output precision cache cached draft draft_tokens accepted software images steps boundary seed".split()
    )
    options = {names.get(name, name): getattr(args, name) for name in wanted if getattr(args, name) is not None}
    return estimate(args.model, on=args.on, batch=args.batch, **options)


def _print(document: dict[str, Any]) -> None:
    from twentywatts.cli import streams
    from twentywatts.reports.estimate import estimation_view

    streams.console().print(estimation_view(document))
