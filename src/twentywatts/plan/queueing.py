"""Queues: Little's law, Erlang's B and C, and the servers that a waiting time takes."""

from __future__ import annotations

import math

from twentywatts.errors import InputError

__all__ = ["erlang_b", "erlang_c", "servers_for_wait", "wait_above_frac"]

_UNDERFLOW = 745.0  # exp(-745) is the last double above nothing
_LARGEST_COUNT = 10**10


def erlang_b(servers: int, load: float) -> float:
    """Return the chance that all of ``servers`` are busy where nobody waits; load is arrivals × service time.

    1 / B = sum over j of c (c-1) … (c-j+1) / a^j, summed from its first term on: stable for any size, and only some ten
    times sqrt(c) terms count. Source: Erlang 1917. Raises InputError for a negative load or no server.
    """
    import numpy as np

    _check(servers, load)
    if load == 0:
        return 0.0
    if servers > load and servers * math.log(servers / load) - (servers - load) > _UNDERFLOW:
        return 0.0  # B is below the Poisson chance of c arrivals, exp(-this); so few terms are left for what is above
    # terms grow while c - j > a and then fall as exp(-j² / 2c): past the peak ten standard deviations hold all of it
    last = int(min(servers, max(servers - load, 0.0) * 2 + 12 * math.sqrt(servers) + 60))
    logs = np.cumsum(np.log((servers - np.arange(last)) / load))
    peak = max(0.0, float(logs.max(initial=0.0)))
    total = math.exp(-peak) + float(np.exp(logs - peak).sum())
    return math.exp(-peak) / total


def erlang_c(servers: int, load: float) -> float:
    """Return the chance that an arrival must wait (M/M/c); 1 where the load is not below the servers.

    C = B / (1 - rho (1 - B)) with rho = load / servers. Source: Erlang 1917.
    """
    if load >= servers:
        _check(servers, load)
        return 1.0
    blocked = erlang_b(servers, load)
    return blocked / (1.0 - load / servers * (1.0 - blocked))


def wait_above_frac(servers: int, load: float, *, service_s: float, wait_s: float) -> float:
    """Return the share of arrivals that wait longer than ``wait_s`` [s] where one is served in ``service_s`` [s].

    P(W > t) = C exp(-(c - a) t / s). Limits: arrivals at random, exponential service, one queue.
    """
    if load >= servers:
        return 1.0
    return erlang_c(servers, load) * math.exp(-(servers - load) * wait_s / service_s)


def servers_for_wait(load: float, *, service_s: float, wait_s: float, late_frac: float) -> int:
    """Return the fewest servers so that at most ``late_frac`` of the arrivals wait longer than ``wait_s`` [s].

    Raises InputError for a load above ten billion servers.
    """
    if not 0 <= load < _LARGEST_COUNT:
        raise InputError(f"a load of {load:.3g} requests at once is beyond what is planned here")
    low, step = math.floor(load), 1
    while wait_above_frac(low + step, load, service_s=service_s, wait_s=wait_s) > late_frac:
        low, step = low + step, step * 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if wait_above_frac(middle, load, service_s=service_s, wait_s=wait_s) > late_frac:
            low = middle
        else:
            high = middle
    return high


def _check(servers: int, load: float) -> None:
    if servers < 1 or not load >= 0:
        raise InputError(f"a queue needs at least one server and a load of 0 or more, got {servers} and {load:g}")
