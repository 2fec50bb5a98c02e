"""``twentywatts plan``: from one model's joules to the world."""

from __future__ import annotations

import argparse

from twentywatts.cli.quantities import needed, quantity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.plan import Plan

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the verb and its sub-verbs to the command line."""
    parser = subparsers.add_parser(
        "plan",
        help="training runs, scaling laws, services, fleets, grids and what joules compare to",
        description="From one model's joules to the world. Every quantity needs its unit: 41GWh is not 41GW.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for add in (_add_training, _add_scaling, _add_serving, _add_fleet, _add_grid, _add_equivalents, _add_list):
        add(kinds)
    parser.set_defaults(run=run)


def _add_training(kinds: Any) -> None:
    parser = kinds.add_parser(
        "training",
        help="operations, hours and joules of a training run",
        description="Operations, chip hours and electricity of a training run on chips that you need not have.",
    )
    parser.add_argument("--params", required=True, metavar="N", help="parameters, such as 70e9 or 70B")
    parser.add_argument("--active-params", metavar="N", help="parameters that one token uses (mixture of experts)")
    parser.add_argument("--tokens", required=True, metavar="N", help="tokens of the data, such as 2e12 or 2T")
    _add_chip(parser)
    _add_run(parser)
    parser.add_argument("--chips", metavar="N", help="how many work together: adds days and megawatts")
    parser.add_argument("--context", metavar="N", help="tokens that attention spans: adds its operations")
    parser.add_argument("--epochs", metavar="N", default="1", help="passes over the tokens (1)")
    _add_output(parser)


def _add_scaling(kinds: Any) -> None:
    parser = kinds.add_parser(
        "scaling",
        help="the best model that a budget of joules buys",
        description="Scaling laws in joules: best loss, parameters and tokens, and what one more point costs.",
    )
    parser.add_argument("--budget", required=True, metavar="ENERGY", help="electricity to spend, such as 1GWh")
    _add_chip(parser)
    parser.add_argument("--law", default="besiroglu2024", metavar="NAME", help="published law (besiroglu2024)")
    parser.add_argument("--served-tokens", metavar="N", help="tokens it will generate: the inference-aware optimum too")
    _add_run(parser)
    _add_output(parser)


def _add_serving(kinds: Any) -> None:
    parser = kinds.add_parser(
        "serving",
        help="chips, megawatts, kWh a day, water and cost of a service",
        description="From requests to chips and megawatts: Little's law, Erlang C, idle chips, the data centre.",
    )
    _add_chip(parser)
    parser.add_argument("--tokens", required=True, metavar="N", help="tokens of an answer")
    parser.add_argument(
        "--model", metavar="NAME", help="a model whose joules are estimated: a bundled name, a config.json"
    )
    parser.add_argument("--prompt", type=int, default=500, metavar="N", help="tokens of the prompt, with --model (500)")
    parser.add_argument("--users", metavar="N", help="users a day")
    parser.add_argument("--requests-per-user", metavar="N", help="requests of a user a day")
    parser.add_argument("--concurrent", metavar="N", help="requests in progress, on average")
    parser.add_argument("--requests", metavar="RATE", help="requests a second, on average")
    parser.add_argument("--joules-per-token", metavar="ENERGY", help="energy of a token on full replicas, such as 0.5J")
    parser.add_argument("--tokens-per-s", metavar="RATE", help="tokens a second of one answer; with --model the least")
    parser.add_argument(
        "--streams", metavar="N", help="answers that one replica makes at once (1; with --model a full server)"
    )
    parser.add_argument("--chips", metavar="N", help="chips of one replica (1; with --model as many as hold it)")
    parser.add_argument("--peak", metavar="X", help="peak over mean of the requests (2)")
    parser.add_argument("--slo", default="2s", metavar="TIME", help="longest wait for a place, such as 2s (2s)")
    parser.add_argument("--late", default="0.05", metavar="SHARE", help="share that may wait longer (0.05)")
    parser.add_argument("--pools", type=int, default=1, metavar="N", help="sites that do not help each other (1)")
    climates = ["cold", "temperate", "hot"]
    parser.add_argument("--climate", choices=climates, default="temperate", help="for the data centre (temperate)")
    parser.add_argument("--pue", metavar="X", help="facility over computer energy (default: by climate)")
    parser.add_argument("--grid", metavar="COUNTRY", help="carbon and water of its electricity, such as DE")
    _add_output(parser)


def _add_fleet(kinds: Any) -> None:
    parser = kinds.add_parser(
        "fleet",
        help="what a fleet of machines uses in a year, and what drives it",
        description="Stock × power × load × availability × PUE with intervals, tornado, growth and rebound.",
    )
    parser.add_argument(
        "scenario",
        metavar="FILE|PRESET",
        help="a .toml file, or de-vries-2027, iea-2026, iea-2030, lbnl-2028, three-gorges, world-2025",
    )
    parser.add_argument("--efficiency", default="2", metavar="X", help="how much better chips get, for the rebound (2)")
    parser.add_argument("--grid", metavar="COUNTRY", help="carbon of its electricity, such as DE or world")
    _add_output(parser)


def _add_grid(kinds: Any) -> None:
    from twentywatts.cli.plan_grid import add_grid

    _add_output(add_grid(kinds))


def _add_equivalents(kinds: Any) -> None:
    parser = kinds.add_parser(
        "equivalents",
        help="what joules compare to",
        description="Phone charges, homes, Teslas, dams and, apart from them, brains; with interval, year and region.",
    )
    parser.add_argument("quantity", metavar="ENERGY", help="such as 41GWh; a power such as 120MW needs --for")
    parser.add_argument("--for", dest="duration", metavar="TIME", help="time it is spent in, such as 1yr or 30d")
    parser.add_argument("--grid", metavar="COUNTRY", help="carbon of its electricity, such as DE")
    _add_output(parser)


def _add_list(kinds: Any) -> None:
    parser = kinds.add_parser(
        "list",
        help="the countries, fleets and scaling laws that the others take",
        description="List the countries of --grid with their carbon, the fleets of plan fleet and the laws of --law.",
    )
    parser.set_defaults(run=_list)


def _list(args: argparse.Namespace) -> int:
    """Print the names; return the exit code."""
    from twentywatts.cli import streams
    from twentywatts.reports.plan_list import plan_list_view

    streams.console().print(plan_list_view())
    return 0


def _add_chip(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--on", required=True, metavar="MACHINE", help="chip, or a .toml file")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mfu", metavar="SHARE", help="share of the peak reached, 0 to 1 (default: published runs)")
    parser.add_argument("--pue", metavar="X", help="facility over computer energy (default: published data centres)")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the draws (0)")
    parser.add_argument("--html", metavar="FILE", help="write one self-contained page")
    parser.add_argument("--json", metavar="FILE", help="write twentywatts.plan/1, '-' for standard output")


def run(args: argparse.Namespace) -> int:
    """Plan, print, write the reports; return the exit code. Raises TwentyWattsError for bad input."""
    from twentywatts.reports.output import check_reports, write_json, write_text

    given = [getattr(args, name, None) for name in ("on", "scenario", "ledger", "load")]
    check_reports(args.json, args.html, keep=[name for name in given if name])
    plan = _PLANS[args.kind](args)

    from twentywatts.cli.circumstances import circumstances
    from twentywatts.reports.plan import plan_document

    document = plan_document(plan, circumstances())
    if args.json is not None:
        write_json(document, args.json)
    if args.html is not None:
        from twentywatts.reports.plan_page import plan_page

        write_text(plan_page(document), args.html)
    if "-" not in (args.json, args.html):
        _print(document)
    return 0


def _print(document: dict[str, Any]) -> None:
    from twentywatts.cli import streams
    from twentywatts.reports.plan import plan_view

    streams.console().print(plan_view(document))


def _training(args: argparse.Namespace) -> Plan:
    from twentywatts.plan import training

    return training(
        needed(args, "params"),
        needed(args, "tokens"),
        args.on,
        active_params=quantity(args, "active_params"),
        mfu=quantity(args, "mfu"),
        pue=quantity(args, "pue"),
        chips=quantity(args, "chips"),
        context=quantity(args, "context"),
        epochs=needed(args, "epochs"),
        seed=args.seed,
    )


def _scaling(args: argparse.Namespace) -> Plan:
    from twentywatts.plan import scaling

    return scaling(
        needed(args, "budget", "J"),
        args.on,
        law=args.law,
        served_tokens=quantity(args, "served_tokens"),
        mfu=quantity(args, "mfu"),
        pue=quantity(args, "pue"),
        seed=args.seed,
    )


def _serving(args: argparse.Namespace) -> Plan:
    from twentywatts.cli.tokens import token_cost_of
    from twentywatts.plan import serving

    return serving(
        token_cost_of(args),
        args.on,
        users=quantity(args, "users"),
        requests_per_user=quantity(args, "requests_per_user"),
        concurrent=quantity(args, "concurrent"),
        requests_per_s=quantity(args, "requests"),
        tokens=needed(args, "tokens"),
        peak=quantity(args, "peak"),
        slo_s=needed(args, "slo", "s"),
        late_frac=needed(args, "late"),
        pools=args.pools,
        climate=args.climate,
        pue=quantity(args, "pue"),
        grid=args.grid,
        seed=args.seed,
    )


def _fleet(args: argparse.Namespace) -> Plan:
    from twentywatts.plan import fleet

    return fleet(args.scenario, efficiency=needed(args, "efficiency"), grid=args.grid, seed=args.seed)


def _grid(args: argparse.Namespace) -> Plan:
    from twentywatts.cli.plan_grid import plan_grid

    return plan_grid(args)


def _equivalents(args: argparse.Namespace) -> Plan:
    from twentywatts.errors import InputError
    from twentywatts.plan import equivalents
    from twentywatts.units import dimension_of

    time_s = quantity(args, "duration", "s")
    if time_s is not None and dimension_of(args.quantity) == "power":
        energy_j = needed(args, "quantity", "W") * time_s
    elif dimension_of(args.quantity) == "power":
        raise InputError(f"'{args.quantity}' is a power: joules need a time too, such as --for 1yr")
    else:
        energy_j = needed(args, "quantity", "J")
    return equivalents(energy_j, time_s=time_s, grid=args.grid)


_PLANS = {
    "training": _training,
    "scaling": _scaling,
    "serving": _serving,
    "fleet": _fleet,
    "grid": _grid,
    "equivalents": _equivalents,
}
