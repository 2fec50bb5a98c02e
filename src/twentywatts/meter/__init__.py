"""The meter: joules of a running program, and the truth when there are none."""

from twentywatts.meter.api import Meter, mark, measure, measured
from twentywatts.meter.contract import Channel, Finding, How, Quantity, ReadError, Reading, Scope, Source

__all__ = [
    "Channel",
    "Finding",
    "How",
    "Meter",
    "Quantity",
    "ReadError",
    "Reading",
    "Scope",
    "Source",
    "mark",
    "measure",
    "measured",
]
