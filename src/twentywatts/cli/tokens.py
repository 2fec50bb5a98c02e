"""What a token costs, for ``plan serving``: as the user says, or estimated from a model and a chip."""

from __future__ import annotations

import argparse

from twentywatts.cli.quantities import needed, quantity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.errors import InputError
    from twentywatts.estimation import EstimationRow
    from twentywatts.plan import TokenCost

__all__ = ["token_cost_of"]

_REPLICAS = (1, 2, 4, 8)  # chips of one replica that are tried where none are named


def token_cost_of(args: argparse.Namespace) -> TokenCost:
    """Return joules and seconds of a token; raises InputError where too little, or too much, is said."""
    from twentywatts.errors import InputError

    said = args.joules_per_token is not None
    if args.model is not None and said:
        raise InputError("give either --model, whose joules are estimated, or --joules-per-token")
    if args.model is not None:
        return _estimated(args)
    if not said or args.tokens_per_s is None:
        raise InputError(
            "give what a token costs: --model llama-3.1-70b, or --joules-per-token 0.5J with --tokens-per-s 30 and "
            "--streams"
        )
    return _said(args)


def _said(args: argparse.Namespace) -> TokenCost:
    from twentywatts.figures import Boundary
    from twentywatts.plan import TokenCost
    from twentywatts.plan.inputs import point

    return TokenCost(
        energy_j=point(needed(args, "joules_per_token", "J")),
        stream_s=point(1.0 / needed(args, "tokens_per_s")),
        streams=quantity(args, "streams") or 1.0,
        chips=_whole(args, "chips") or 1,
        boundary=Boundary.DEVICE,
        how="given",
    )


def _estimated(args: argparse.Namespace) -> TokenCost:
    """Return the cost on the replica that spends least a token, at the batch asked for or the largest fast enough."""
    from dataclasses import replace

    from twentywatts.errors import counted
    from twentywatts.plan import token_cost

    row = min(_candidates(args), key=lambda row: row.energy_j_per_unit.mid)
    cost = token_cost(row.ledger, streams=row.batch, tokens=_tokens(args))
    return replace(cost, how=f"estimated for {args.model} with {counted(row.batch, 'answer')} at once")


def _tokens(args: argparse.Namespace) -> int:
    return round(needed(args, "tokens"))


def _candidates(args: argparse.Namespace) -> list[EstimationRow]:
    """Return one row for each size of replica that holds the model and writes fast enough."""
    from twentywatts.errors import InputError
    from twentywatts.estimation import estimate
    from twentywatts.readers.diffusions import is_diffusion

    if is_diffusion(args.model):
        raise _no_writer(args.model)
    batch, asked = _whole(args, "streams"), _whole(args, "chips")
    counts = _REPLICAS if asked is None else (asked,)
    found: list[EstimationRow] = []
    refusals: list[InputError] = []
    for chips in counts:
        name = args.on if chips == 1 else f"{args.on}x{chips}"
        try:
            estimation = estimate(
                args.model, on=name, batch=batch, prompt_tokens=args.prompt, output_tokens=_tokens(args), seed=args.seed
            )
            found.append(_chosen(estimation.rows, args))
        except InputError as error:
            refusals.append(error)
    if not found:
        raise refusals[-1]
    return found


def _chosen(rows: tuple[EstimationRow, ...], args: argparse.Namespace) -> EstimationRow:
    from twentywatts.errors import InputError

    writers = [row for row in rows if row.unit == "token" and row.step_s.mid > 0]
    if not writers:
        raise _no_writer(args.model)
    if args.tokens_per_s is None:
        return max(writers, key=lambda row: row.batch)
    least = needed(args, "tokens_per_s")
    # the prompts of others delay an answer, so that a reader gets a share of the whole and not a step at a time
    fast = [row for row in writers if row.units_per_s.mid / row.batch >= least]
    if not fast:
        most = max(row.units_per_s.mid / row.batch for row in writers)
        raise InputError(
            f"no batch writes {least:g} tokens a second to each reader: {most:.3g} is the most on {args.on}"
        )
    return max(fast, key=lambda row: row.batch)


def _no_writer(model: str) -> InputError:
    from twentywatts.errors import InputError, clean

    return InputError(f"'{clean(model)[:100]}' writes no tokens: a service of tokens needs a language model")


def _whole(args: argparse.Namespace, name: str) -> int | None:
    """Return a whole number of the command line, None where nothing was given; raises InputError."""
    from twentywatts.errors import InputError, clean

    value = quantity(args, name)
    if value is None:
        return None
    if value != round(value) or value > 1e6:
        raise InputError(f"--{name} must be a whole number, got '{clean(getattr(args, name))}'")
    return round(value)
