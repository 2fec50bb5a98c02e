"""Traces from files: what is read, and bad input told by line and column."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from twentywatts.errors import InputError
from twentywatts.plan.grid import read_trace
from twentywatts.plan.grid.trace import with_pue
from twentywatts.plan.grid.trace_file import parse_trace

HEADER = "time,load_mw,ci_g_per_kwh"
GOOD = ["2025-06-01T00:00Z,100,300", "2025-06-01T01:00Z,90,250", "2025-06-01T02:00Z,80,200"]


def parse(*rows: str, header: str = HEADER) -> object:
    return parse_trace([header, *rows], "trace.csv")


def test_units_of_the_header_become_si() -> None:
    trace = parse_trace(
        ["time,load_kw,ci_kg_per_mwh,pv_pu,temp_c", "2025-01-01,36,360,0.5,-3", "2025-01-01T01:00,36,36,1,4"], "t"
    )
    assert trace.load_w is not None
    assert trace.load_w.tolist() == [36e3, 36e3]
    assert trace.load_j.tolist() == [36e3 * 3600] * 2
    assert trace.carbon_kg_per_j is not None
    assert trace.carbon_kg_per_j.tolist() == pytest.approx([1e-7, 1e-8])  # 360 g a kWh is 0.1 mg a joule
    assert trace.pv_frac is not None
    assert trace.pv_frac.tolist() == [0.5, 1.0]
    assert (trace.start, trace.step_s, trace.steps) == (datetime(2025, 1, 1, tzinfo=UTC), 3600.0, 2)


def test_a_file_is_read_with_its_byte_order_mark_and_quarter_hours(tmp_path: Path) -> None:
    path = tmp_path / "quarter.csv"
    path.write_text("\ufefftime,load_w\r\n2025-01-01T00:00Z,1\r\n2025-01-01T00:15Z,2\r\n\r\n", encoding="utf-8")
    assert (read_trace(path).step_s, read_trace(path).steps) == (900.0, 2)
    with pytest.raises(InputError, match="cannot read the trace"):
        read_trace(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot read the trace"):
        read_trace(tmp_path / "binary.csv")


def test_local_times_with_offsets_run_through_a_change_of_clocks() -> None:
    start = datetime(2025, 3, 30, 0, tzinfo=UTC)
    rows = []
    for hour in range(4):
        offset = timedelta(hours=1 if hour < 1 else 2)
        local = start + timedelta(hours=hour) + offset
        rows.append(f"{local:%Y-%m-%dT%H:%M}+0{offset.seconds // 3600}:00,{hour},0")
    trace = parse_trace([HEADER, *rows], "t")
    assert trace.steps == 4
    assert trace.time_of(3) == start + timedelta(hours=3)


BAD = {
    "gap": (
        (GOOD[0], GOOD[1], "2025-06-01T05:00Z,1,1"),
        r"line 4, column 'time': a gap of 3 steps before 2025-06-01 05",
    ),
    "twice": ((GOOD[0], GOOD[1], GOOD[1]), r"line 4, column 'time': 2025-06-01 01:00 stands twice"),
    "back": ((GOOD[0], GOOD[1], "2025-05-31T01:00Z,1,1"), r"line 4, column 'time': 2025-05-31 01:00 goes back by 1440"),
    "negative": ((GOOD[0], "2025-06-01T01:00Z,-5,1"), r"line 3, column 'load_mw': negative power \(-5\)"),
    "empty": ((GOOD[0], "2025-06-01T01:00Z,,1"), r"line 3, column 'load_mw': is empty"),
    "word": ((GOOD[0], "2025-06-01T01:00Z,1,n/a"), r"line 3, column 'ci_g_per_kwh': 'n/a' is no number"),
    "nan": ((GOOD[0], "2025-06-01T01:00Z,nan,1"), r"line 3, column 'load_mw': 'nan' is no finite number"),
    "time": ((GOOD[0], "1.6.2025 01:00,1,1"), r"line 3, column 'time': '1.6.2025 01:00' is no time"),
    "mixed": ((GOOD[0], "2025-06-01T01:00,1,1"), r"line 3, column 'time': some times have an offset"),
    "short": ((GOOD[0], "2025-06-01T01:00Z,1"), r"line 3: 2 fields, and the header has 3"),
    "one": ((GOOD[0],), r"1 lines of values"),
    "days": ((GOOD[0], "2025-06-02T00:00Z,1,1"), r"line 3, column 'time': 1440 minutes after the first"),
    "huge": ((GOOD[0], "2025-06-01T01:00Z,1,20000"), r"line 3, column 'ci_g_per_kwh': out of range"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_lines_are_told_by_line_and_column(name: str) -> None:
    rows, message = BAD[name]
    with pytest.raises(InputError, match=message):
        parse(*rows)


def test_hours_of_daylight_saving_time_name_the_way_out() -> None:
    spring = ("2025-03-30T01:00,1,1", "2025-03-30T02:00,1,1", "2025-03-30T04:00,1,1")
    with pytest.raises(InputError, match=r"line 4, column 'time': a gap of 1 steps .*daylight-saving time.*in UTC"):
        parse(*spring)
    autumn = ("2025-10-26T01:00,1,1", "2025-10-26T02:00,1,1", "2025-10-26T02:00,1,1")
    with pytest.raises(InputError, match=r"line 4, column 'time': 2025-10-26 02:00 stands twice .*daylight-saving"):
        parse(*autumn)
    with pytest.raises(InputError, match=r"stands twice$"):
        parse("2025-10-26T01:00Z,1,1", "2025-10-26T02:00Z,1,1", "2025-10-26T02:00Z,1,1")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("time,load,ci_g_per_kwh", r"line 1, column 2: 'load' has no unit that is known, write such as load_mw"),
        ("time,load_mw,ci", r"line 1, column 3: 'ci' has no unit that is known, write such as ci_g_per_kwh"),
        ("time,load_mwh,ci", r"line 1, column 2: 'load_mwh' has no unit .*did you mean 'load_mw'"),
        ("time,load_mw,load_kw", r"column 3: 'load_kw' gives again"),
        ("hour,load_mw,ci_g_per_kwh", r"line 1: no column 'time'"),
        ("time,price,other", r"nothing but times"),
        ("", r"no column 'time'"),
    ],
)
def test_a_bad_header_is_told(header: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(*GOOD, header=header)


def test_columns_that_are_not_read_are_named() -> None:
    trace = parse_trace(["time,load_mw,price_eur", "2025-01-01T00:00Z,1,9", "2025-01-01T01:00Z,1,9"], "t")
    assert trace.ignored == ("price_eur",)


def test_the_overhead_follows_the_temperature() -> None:
    rows = ["time,load_w,temp_c", *(f"2025-01-01T{hour:02d}:00Z,100,{t}" for hour, t in enumerate((0, 10, 20, 30, 40)))]
    trace = with_pue(parse_trace(rows, "t"), ((10.0, 1.1), (30.0, 1.3)))
    assert trace.load_w is not None
    assert trace.load_w.tolist() == pytest.approx([110, 110, 120, 130, 130])
    assert with_pue(parse_trace(rows, "t"), ((0.0, 1.5),)).load_w.tolist() == [150.0] * 5  # type: ignore[union-attr]
    for points in (((10.0, 0.9),), ((30.0, 1.2), (10.0, 1.1)), ()):
        with pytest.raises(InputError):
            with_pue(parse_trace(rows, "t"), points)
    with pytest.raises(InputError, match="temp_c"):
        with_pue(parse_trace([HEADER, *GOOD], "t"), ((10.0, 1.1), (30.0, 1.3)))
