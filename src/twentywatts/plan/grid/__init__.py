"""A site and its grid: hourly traces, own sun and wind, a battery, and work that can wait."""

from twentywatts.plan.grid.trace import Trace
from twentywatts.plan.grid.trace_file import read_trace
from twentywatts.plan.grid.year import grid_year

__all__ = ["Trace", "grid_year", "read_trace"]
