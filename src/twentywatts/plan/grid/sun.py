"""Photovoltaic output under a clear sky: by pvlib where it is installed, else by the geometry of the orbit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twentywatts.plan.inputs import bundled
from twentywatts.units import DAY_S

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["clear_sky_frac", "clear_sky_frac_pvlib", "has_pvlib", "sun_position"]


def has_pvlib() -> bool:
    """Tell whether pvlib can be imported."""
    from importlib.util import find_spec

    return find_spec("pvlib") is not None


def _figure(key: str) -> float:
    return bundled("grid_sun")[key].interval.mid


def _days(start: datetime, time_s: Array) -> Array:
    """Return days since noon UTC of 1 January 2000."""
    epoch = datetime(2000, 1, 1, 12, tzinfo=UTC)
    return (start - epoch).total_seconds() / DAY_S + time_s / DAY_S


def sun_position(start: datetime, time_s: Array, latitude: float, longitude: float) -> tuple[Array, Array]:
    """Return (cosine of the zenith, azimuth [rad] from north by east) of the sun, ``time_s`` after ``start`` (UTC).

    Kepler's orbit to second order in its eccentricity; within 0.1 degrees from 1950 to 2050, refraction left out.
    Source: meeus1998, chapters 25 and 28.
    """
    import numpy as np

    days = _days(start, time_s)
    tilt, eccentricity = np.radians(_figure("obliquity_degrees")), _figure("eccentricity_frac")
    anomaly = np.radians(_figure("anomaly_degrees") + _figure("anomaly_day_degrees") * days)
    centre = 2 * eccentricity * np.sin(anomaly) + 1.25 * eccentricity**2 * np.sin(2 * anomaly)
    mean = anomaly + np.radians(_figure("perihelion_degrees") + _figure("perihelion_day_degrees") * days)
    ecliptic = mean + centre
    ascension = np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(tilt) * np.sin(ecliptic))
    # at noon UTC the mean sun stands over Greenwich; the true one runs ahead by (mean - ascension)
    hour = 2 * np.pi * (days % 1.0) + np.radians(longitude) + mean - ascension
    here = np.radians(latitude)
    height = np.sin(here) * np.sin(declination) + np.cos(here) * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    north = np.cos(here) * np.sin(declination) - np.sin(here) * np.cos(declination) * np.cos(hour)
    return height, np.arctan2(east, north)


def clear_sky_frac(start: datetime, time_s: Array, latitude: float, longitude: float) -> Array:
    """Return the output of a clear hour over rated power, panels tilted by 0.7 of the latitude towards the equator.

    Direct beam after Meinel, a tenth of it diffuse, straight losses, no effect of temperature.
    Source: meinel1976; dobos2014.
    """
    import numpy as np

    height, azimuth = sun_position(start, time_s, latitude, longitude)
    up = np.maximum(height, 0.0)
    zenith_degrees = np.degrees(np.arccos(np.clip(height, -1.0, 1.0)))
    # Kasten and Young would move the mass at the horizon alone, where nearly no light is left
    air_mass = 1.0 / np.maximum(up, 0.01)
    beam = _figure("solar_constant_w") * _figure("transmitted_frac") ** (air_mass ** _figure("air_mass_power"))
    beam = np.where(zenith_degrees < 90.0, beam, 0.0)
    tilt, facing = _plane(latitude)
    aligned = np.cos(tilt) * height + np.sin(tilt) * np.sqrt(np.maximum(1 - height**2, 0)) * np.cos(azimuth - facing)
    light = beam * (np.maximum(aligned, 0.0) + _figure("diffuse_frac") * (1 + np.cos(tilt)) / 2)
    return _output(light)


def _plane(latitude: float) -> tuple[float, float]:
    """Return tilt and azimuth of the panels [rad]."""
    import math

    return math.radians(0.7 * abs(latitude)), math.pi if latitude >= 0 else 0.0


def _output(light: Array) -> Array:
    import numpy as np

    losses = bundled("grid_site")["pv_losses_frac"].interval.mid
    return np.clip(light / _figure("reference_light_w") * (1.0 - losses), 0.0, 1.0)


def clear_sky_frac_pvlib(start: datetime, time_s: Array, latitude: float, longitude: float) -> Array:
    """Return the same by pvlib: its solar position, simplified Solis clear sky, isotropic plane."""
    import warnings

    import numpy as np

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pvlib and its pandas say to each other is no news for our users
        light = _light_by_pvlib(start, time_s, latitude, longitude)
    return _output(np.nan_to_num(light))


def _light_by_pvlib(start: datetime, time_s: Array, latitude: float, longitude: float) -> Array:
    """Return watts on a square metre of the panels' plane."""
    import numpy as np
    import pandas as pd
    import pvlib

    times = pd.DatetimeIndex(pd.Timestamp(start) + pd.to_timedelta(time_s, unit="s"))
    place = pvlib.location.Location(latitude, longitude, tz="UTC")
    sun = place.get_solarposition(times)
    sky = place.get_clearsky(times, model="simplified_solis", solar_position=sun)
    tilt, facing = _plane(latitude)
    light = pvlib.irradiance.get_total_irradiance(
        np.degrees(tilt),
        np.degrees(facing),
        sun["apparent_zenith"],
        sun["azimuth"],
        dni=sky["dni"],
        ghi=sky["ghi"],
        dhi=sky["dhi"],
    )
    return np.asarray(light["poa_global"].to_numpy())
