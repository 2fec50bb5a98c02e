"""Sun against pvlib and known geometry; wind against its curve; synthetic hours keep what they promise."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from twentywatts.errors import InputError
from twentywatts.plan.grid.sun import clear_sky_frac, clear_sky_frac_pvlib, sun_position
from twentywatts.plan.grid.trace import flat_year
from twentywatts.plan.grid.weather import carbon_shape, power_curve, pv_profile, wind_profile
from twentywatts.plan.inputs import bundled

YEAR = flat_year(1e6, 2025)
START = datetime(2025, 1, 1, tzinfo=UTC)
MIDDLE = (np.arange(8760) + 0.5) * 3600.0
PLACES = {"Berlin": (52.5, 13.4), "Nairobi": (-1.3, 36.8), "Sydney": (-33.9, 151.2), "Reykjavik": (64.1, -21.9)}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between pvlib and pandas
@pytest.mark.parametrize("place", PLACES)
def test_the_sun_stands_where_pvlib_sees_it(place: str) -> None:
    solar = pytest.importorskip("pvlib").solarposition
    pandas = pytest.importorskip("pandas")
    times = MIDDLE[::7]
    height, azimuth = sun_position(START, times, *PLACES[place])
    index = pandas.DatetimeIndex(pandas.Timestamp(START) + pandas.to_timedelta(times, unit="s"))
    found = solar.get_solarposition(index, *PLACES[place])
    zenith = np.degrees(np.arccos(height))
    assert np.abs(zenith - found["zenith"].to_numpy()).max() < 0.1
    high = (zenith > 5) & (zenith < 85)
    apart = (np.degrees(azimuth) - found["azimuth"].to_numpy() + 180) % 360 - 180
    assert np.abs(apart[high]).max() < 1.0


def test_the_sun_of_the_solstice_stands_in_the_zenith_of_the_tropic() -> None:
    day = np.arange(0, 86_400, 60.0)
    height, _ = sun_position(datetime(2025, 6, 21, tzinfo=UTC), day, 23.44, 0.0)
    assert np.degrees(np.arccos(min(height.max(), 1.0))) < 0.2
    night, _ = sun_position(datetime(2025, 12, 21, tzinfo=UTC), day, 70.0, 0.0)
    assert night.max() < 0  # polar night


@pytest.mark.parametrize("place", PLACES)
def test_a_clear_year_of_our_own_is_near_pvlib_s(place: str) -> None:
    pytest.importorskip("pvlib")
    own = clear_sky_frac(START, MIDDLE, *PLACES[place])
    theirs = clear_sky_frac_pvlib(START, MIDDLE, *PLACES[place])
    assert own.mean() == pytest.approx(theirs.mean(), rel=0.1)
    assert np.corrcoef(own, theirs)[0, 1] > 0.98
    assert own.min() == 0.0
    assert own.max() <= 1.0


def test_the_power_curve_starts_rises_and_stops() -> None:
    speeds = np.array([0.0, 2.9, 3.0, 7.2, 11.4, 20.0, 25.0, 25.1])
    curve = power_curve(speeds)
    assert curve.tolist()[:3] == [0.0, 0.0, 0.0]
    assert curve[3] == pytest.approx((7.2**3 - 27) / (11.4**3 - 27))
    assert curve.tolist()[4:] == [1.0, 1.0, 1.0, 0.0]


def test_synthetic_hours_are_the_same_for_a_seed_and_reach_the_yield_asked_for() -> None:
    berlin = PLACES["Berlin"]
    for yield_frac in (0.05, 0.11):
        assert pv_profile(YEAR, berlin, seed=1, yield_frac=yield_frac).mean() == pytest.approx(yield_frac, rel=1e-6)
        assert wind_profile(YEAR, 52.5, seed=1, yield_frac=yield_frac).mean() == pytest.approx(yield_frac, rel=1e-6)
    first, again, other = (wind_profile(YEAR, 52.5, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    for profile in (first, pv_profile(YEAR, berlin, seed=0)):
        assert profile.min() >= 0
        assert profile.max() <= 1
    for ask in (0.0, 0.99, -1.0):
        with pytest.raises(InputError, match="yield"):
            pv_profile(YEAR, berlin, seed=1, yield_frac=ask)


def test_clouds_keep_their_mean_and_wind_its_season() -> None:
    berlin = PLACES["Berlin"]
    shares = []
    for seed in range(6):
        cloudy = pv_profile(YEAR, berlin, seed=seed)
        shares.append(cloudy.sum() / pv_profile(YEAR, berlin, seed=0, yield_frac=0.1).sum() * 0.1)
    clear = clear_sky_frac(START, MIDDLE, *berlin).mean()
    assert np.mean(shares) / clear == pytest.approx(bundled("grid_site")["clearness_frac"].interval.mid, rel=0.12)
    north = np.mean([wind_profile(YEAR, 52.5, seed=seed)[:720].mean() for seed in range(6)])
    south = np.mean([wind_profile(YEAR, -33.9, seed=seed)[:720].mean() for seed in range(6)])
    assert north > south  # January is winter in the north


def test_the_grid_s_synthetic_carbon_has_the_mean_of_its_country_and_an_evening_peak() -> None:
    shape = carbon_shape(YEAR, 13.4, seed=0)
    assert shape.mean() == pytest.approx(1.0)
    assert shape.min() > 0
    by_hour = shape.reshape(365, 24).mean(axis=0)
    assert 16 <= int(by_hour.argmax()) <= 20  # 18 UTC is 19 at Berlin
    assert 9 <= int(by_hour.argmin()) <= 14 or int(by_hour.argmin()) in (5, 6, 7)
