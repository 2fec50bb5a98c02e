"""Synthetic hours, seeded: clouds, wind and the grid's carbon, where no trace tells them. Their figures are guesses."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from twentywatts.errors import InputError
from twentywatts.plan.grid.sun import clear_sky_frac, clear_sky_frac_pvlib, has_pvlib
from twentywatts.plan.grid.trace import Trace
from twentywatts.plan.inputs import bundled
from twentywatts.units import DAY_S, HOUR_S, YEAR_S

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["carbon_shape", "power_curve", "pv_profile", "wind_profile"]


def _figure(key: str) -> float:
    return bundled("grid_site")[key].interval.mid


def pv_profile(trace: Trace, place: tuple[float, float], *, seed: int, yield_frac: float | None = None) -> Array:
    """Return photovoltaic output over rated power: a clear sky at ``place`` (latitude, longitude) under seeded clouds.

    yield_frac: mean output to reach, such as 0.11; by default what the clouds leave. Raises InputError.
    """
    import numpy as np

    middle = np.asarray((np.arange(trace.steps) + 0.5) * trace.step_s, dtype=np.float64)
    clear = (clear_sky_frac_pvlib if has_pvlib() else clear_sky_frac)(trace.start, middle, *place)
    day = (middle // DAY_S).astype(int)
    cloudy = clear * _clearness(int(day[-1]) + 1, seed)[day]
    if yield_frac is None:
        return np.asarray(cloudy)
    return _reaching(lambda factor: np.minimum(cloudy * factor, 1.0), yield_frac, "the yield of photovoltaics", 100.0)


def _clearness(days: int, seed: int) -> Array:
    """Return output over that of a clear day, with the memory of weather; its mean is ``clearness_frac``."""
    lowest, mean = _figure("darkest_frac"), _figure("clearness_frac")
    power = (1 - lowest) / (mean - lowest) - 1  # the mean of u^power is 1 / (power + 1)
    levels = _levels(_memory_noise(days, DAY_S / _figure("cloud_memory_time_s"), seed, "clouds"))
    return lowest + (1 - lowest) * levels**power


def _memory_noise(count: int, steps_per_memory: float, seed: int, name: str) -> Array:
    """Return standard normal numbers that forget by exp(-steps_per_memory) from one to the next."""
    import hashlib

    import numpy as np

    digest = hashlib.blake2b(f"{seed}\x00grid.{name}".encode(), digest_size=16).digest()
    news = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little"))).standard_normal(count)
    kept = math.exp(-steps_per_memory)
    fresh = math.sqrt(1 - kept**2)
    values = [float(news[0])]
    for new in news[1:].tolist():
        values.append(kept * values[-1] + fresh * new)
    return np.array(values)


def _levels(normal: Array) -> Array:
    """Return the normal distribution's share below each number."""
    import numpy as np

    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in normal.tolist()])


def _reaching(profile: Callable[[float], Array], mean: float, what: str, most: float) -> Array:
    """Return the profile whose mean is ``mean``, by bisection of its factor; raises InputError out of reach."""
    low, high = 0.0, most
    if not 0 < mean < float(profile(most).mean()):
        reach = float(profile(most).mean())
        raise InputError(f"{what} must be above 0 and below {reach:.2g} here, got {mean:g}")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if float(profile(middle).mean()) < mean else (low, middle)
    return profile(high)


def power_curve(speed: Array) -> Array:
    """Return output over rated power of a turbine at a wind speed [m/s]: cubic between start and rated wind.

    Source: jonkman2009, Table 1-1, for the three speeds.
    """
    import numpy as np

    first, rated, last = (_figure(f"{name}_speed_count") for name in ("cut_in", "rated", "cut_out"))
    rising = (speed**3 - first**3) / (rated**3 - first**3)
    return np.where((speed < first) | (speed > last), 0.0, np.clip(rising, 0.0, 1.0))


def wind_profile(trace: Trace, latitude: float, *, seed: int, yield_frac: float | None = None) -> Array:
    """Return wind output over rated power: Rayleigh wind with memory and a season, through a power curve.

    yield_frac: mean output to reach, such as 0.28; by default that of ``wind_speed_mean_count``. Raises InputError.
    """
    import numpy as np

    noise = _memory_noise(trace.steps, trace.step_s / _figure("wind_memory_time_s"), seed, "wind")
    above = np.maximum(1.0 - _levels(noise), 1e-12)
    rayleigh = np.sqrt(-np.log(above) * 4 / np.pi)  # of mean 1
    season = 1 + _figure("wind_season_frac") * _winter(trace, latitude)
    if yield_frac is None:
        return power_curve(_figure("wind_speed_mean_count") * season * rayleigh)
    # above 10 m/s on average storms stop turbines so often that more wind gives less
    return _reaching(lambda mean: power_curve(mean * season * rayleigh), yield_frac, "the yield of wind", 10.0)


def _winter(trace: Trace, latitude: float) -> Array:
    """Return 1 in the middle of winter, -1 in that of summer."""
    import numpy as np

    new_year = datetime(trace.start.year, 1, 1, tzinfo=trace.start.tzinfo)
    after_s = (trace.start - new_year).total_seconds() + np.arange(trace.steps) * trace.step_s
    sign = 1.0 if latitude >= 0 else -1.0
    return np.asarray(sign * np.cos(2 * np.pi * (after_s / YEAR_S - 15 / 365)))


def carbon_shape(trace: Trace, longitude: float, *, seed: int) -> Array:
    """Return the grid's carbon over its mean: an evening peak, a dip at noon, weather. Its own mean is 1."""
    import numpy as np

    hour = ((trace.start.hour + np.arange(trace.steps) * trace.step_s / HOUR_S) + longitude / 15) % 24
    evening = _figure("carbon_day_frac") * np.cos(2 * np.pi * (hour - 19) / 24)
    noon = _figure("carbon_sun_frac") * np.maximum(np.cos(2 * np.pi * (hour - 13) / 24), 0.0)
    noise = _memory_noise(trace.steps, trace.step_s / _figure("carbon_memory_time_s"), seed, "carbon")
    shape = np.maximum(1 + evening - noon + _figure("carbon_weather_frac") * noise, 0.05)
    return np.asarray(shape / shape.mean())
