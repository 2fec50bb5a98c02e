"""``twentywatts plan grid``: a site and its grid, hour by hour."""

from __future__ import annotations

import argparse

from twentywatts.cli.quantities import quantity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.plan import Plan
    from twentywatts.plan.grid import Trace

__all__ = ["add_grid", "plan_grid"]


def add_grid(kinds: Any) -> argparse.ArgumentParser:
    """Add the kind to the command line and return its parser."""
    parser: argparse.ArgumentParser = kinds.add_parser(
        "grid",
        help="a site's own sun, wind, battery and waiting work against its grid, hour by hour",
        description="How much of a load is met hour by hour, what is curtailed, and the carbon of the rest.",
    )
    parser.add_argument(
        "--load", required=True, metavar="FILE|POWER", help="CSV with time and load_mw, or a power such as 100MW"
    )
    parser.add_argument("--grid", required=True, metavar="COUNTRY", help="carbon of its electricity, such as DE")
    parser.add_argument("--pv", metavar="POWER", help="own photovoltaics, such as 120MW")
    parser.add_argument("--wind", metavar="POWER", help="own wind, such as 50MW")
    parser.add_argument("--battery", metavar="ENERGY", help="usable capacity, such as 200MWh")
    parser.add_argument("--battery-power", metavar="POWER", help="its power (default: capacity in four hours)")
    parser.add_argument("--flexible", metavar="SHARE", help="share of the load that may wait, 0 to 1 (0)")
    parser.add_argument("--wait", metavar="TIME", default="24h", help="how long it may wait (24h)")
    parser.add_argument("--most", metavar="POWER", help="largest power of the site (default: a quarter above the load)")
    parser.add_argument("--aim", choices=["carbon", "share"], default="carbon", help="least carbon, or least grid")
    parser.add_argument("--pue", metavar="X|T:X,…", help="the load is the computers': one PUE, or 10:1.1,35:1.4 by °C")
    parser.add_argument("--at", metavar="LAT,LON", help="place of the plants, such as 52.5,13.4 (default: the capital)")
    parser.add_argument("--pv-yield", metavar="SHARE", help="mean over rated output, where the trace has no pv_pu")
    parser.add_argument("--wind-yield", metavar="SHARE", help="mean over rated output, where the trace has no wind_pu")
    services = ["uk", "electricitymaps", "watttime"]
    parser.add_argument(
        "--carbon-from", choices=services, help="ask a service for the hours' carbon (asks the network)"
    )
    parser.add_argument("--zone", metavar="NAME", help="as that service names it (default: the country's code)")
    return parser


def plan_grid(args: argparse.Namespace) -> Plan:
    """Return the plan of the arguments; raises TwentyWattsError."""
    from twentywatts.plan import grid_year

    latitude, longitude = _place(args.at)
    load, carbon = _with_carbon(args)
    return grid_year(
        load,
        carbon=carbon,
        grid=args.grid,
        pv_w=quantity(args, "pv", "W"),
        wind_w=quantity(args, "wind", "W"),
        battery_j=quantity(args, "battery", "J"),
        battery_w=quantity(args, "battery_power", "W"),
        flexible_frac=_flexible_frac(args),
        wait_s=quantity(args, "wait", "s"),
        most_w=quantity(args, "most", "W"),
        aim=args.aim,
        latitude=latitude,
        longitude=longitude,
        pv_yield=quantity(args, "pv_yield"),
        wind_yield=quantity(args, "wind_yield"),
        pue=_pue(args.pue),
        seed=args.seed,
    )


def _with_carbon(args: argparse.Namespace) -> tuple[str | float | Trace, Trace | None]:
    """Return the load, and where a service is named the carbon that it publishes for the same hours."""
    load = _load(args.load)
    if args.carbon_from is None:
        return load, None
    from twentywatts.plan.carbon import grid
    from twentywatts.plan.grid.services import fetch_carbon
    from twentywatts.plan.grid.site import load_trace

    trace = load_trace(load, {})
    return trace, fetch_carbon(args.carbon_from, trace, args.zone or grid(args.grid).code)


def _load(text: str) -> str | float:
    """Return watts where a power stands there, else the name of a file."""
    from pathlib import Path

    from twentywatts.units import dimension_of, parse_quantity

    if not Path(text).exists() and dimension_of(text):
        return parse_quantity(text, "W")
    return text


def _flexible_frac(args: argparse.Namespace) -> float | None:
    """Return the share that may wait, which may be none of it."""
    return 0.0 if args.flexible in ("0", "0.0", "0%") else quantity(args, "flexible")


def _place(text: str | None) -> tuple[float | None, float | None]:
    from twentywatts.errors import InputError

    if text is None:
        return None, None
    try:
        latitude, longitude = map(float, text.split(","))
    except ValueError:
        raise InputError(f"cannot read '{text}' as a place: wanted are degrees such as 52.5,13.4") from None
    return latitude, longitude


def _pue(text: str | None) -> tuple[tuple[float, float], ...] | None:
    """Return points (°C, PUE); one number stands for all temperatures."""
    from twentywatts.errors import InputError

    if text is None:
        return None
    try:
        if ":" not in text:
            return ((0.0, float(text)),)
        pairs = [pair.split(":") for pair in text.split(",")]
        return tuple((float(temperature), float(value)) for temperature, value in pairs)
    except ValueError:
        raise InputError(f"cannot read '{text}' as PUE: wanted is 1.2, or by temperature 10:1.1,35:1.4") from None
